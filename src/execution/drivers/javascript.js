// Runs the cells of a session in one global scope. Requests and answers are JSON behind four bytes of length, on descriptor 6.
//
// V8's own evaluation for consoles (the inspector's replMode) lets names be declared again and `await` stand at the top. It is
// entered through a script that SIGINT ends, so that also an endless loop can be interrupted.
//
// What a cell does to this program it does to its own session: nobody else trusts a word of it.
'use strict';
const fs = require('fs');
const inspector = require('inspector');
const util = require('util');
const vm = require('vm');

const CONTROL = 6;
const session = new inspector.Session();
session.connect();
let interrupt = () => {};

function readExactly(n) {
  const whole = Buffer.alloc(n);
  for (let done = 0; done < n;) {
    const got = fs.readSync(CONTROL, whole, done, n - done, null);
    if (got === 0) process.reallyExit(0);
    done += got;
  }
  return whole;
}

// The answer to the last request is written before the next is read: reading may block, but only while nothing runs but
// what cells left behind, so it is done on the thread pool.
function readRequest(then) {
  const head = Buffer.alloc(4);
  fs.read(CONTROL, head, 0, 1, null, (error, n) => {
    if (error || n !== 1) process.reallyExit(0);
    readExactly(3).copy(head, 1);
    then(JSON.parse(readExactly(head.readUInt32LE(0)).toString()));
  });
}

function writeAnswer(answer) {
  const text = Buffer.from(JSON.stringify(answer));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(text.length);
  for (const part of [head, text]) {
    for (let done = 0; done < part.length;) done += fs.writeSync(CONTROL, part, done);
  }
}

// The value itself of what the inspector only describes.
function take(described) {
  if (!described.objectId) {
    if (described.type === 'undefined') return undefined;
    if ('unserializableValue' in described) return eval(described.unserializableValue);
    return described.value;
  }
  let value;
  globalThis[Symbol.for('nexus.take')] = (v) => { value = v; };
  session.post('Runtime.callFunctionOn', {
    functionDeclaration: 'function () { globalThis[Symbol.for("nexus.take")](this) }', objectId: described.objectId,
  });
  delete globalThis[Symbol.for('nexus.take')];
  return value;
}

function evaluate(code) {
  return new Promise((resolve) => {
    interrupt = () => resolve({interrupted: true});
    globalThis[Symbol.for('nexus.go')] = () => {
      session.post('Runtime.evaluate', {expression: code, replMode: true}, (error, got) => {
        resolve(error ? {failed: String(error.message)} : got);
      });
    };
    try {
      vm.runInThisContext('globalThis[Symbol.for("nexus.go")]()', {breakOnSigint: true});
    } catch {
      resolve({interrupted: true});
    }
  });
}

// Halves of characters become U+FFFD.
function text(s, most) {
  const short = s.length <= most ? s : `${s.slice(0, most / 2)}…`;
  return Buffer.from(short).toString().replaceAll('\0', '\\0');
}

function show(value, most) {
  const shown = {text: text(util.inspect(value), most)};
  const html = value && typeof value === 'object' && typeof value._repr_html_ === 'function' ? value._repr_html_() : null;
  if (typeof html === 'string' && html.length <= most) shown.html = text(html, most);
  const png = value && typeof value === 'object' && typeof value._repr_png_ === 'function' ? value._repr_png_() : null;
  if (png instanceof Uint8Array && png.length <= most / 2) shown.png = Buffer.from(png).toString('base64');
  return shown;
}

// The exception as Node prints it, without this program's own frames.
function report(details) {
  const error = details.exception ? take(details.exception) : details.text;
  const own = /\n {4}at (?:Session\.post|globalThis\.<computed>|evalmachine)[^]*$/;
  const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack.replace(own, '') : util.inspect(error);
  process.stderr.write(`Uncaught ${stack}\n`);
}

class Exit {
  constructor(code) { this.code = code; }
}

async function answerTo(request) {
  const answer = {op: 'done', run: request.run, outcome: 'ok', exit_code: 0};
  const exit = new Promise((resolve) => {
    process.exit = (code) => {
      resolve({exit: Number(code ?? process.exitCode ?? 0) & 255});
      throw new Exit(code);
    };
  });
  const got = await Promise.race([evaluate(request.code), exit]);
  interrupt = () => {};
  if (got.interrupted) return {...answer, outcome: 'interrupted', exit_code: 130};
  if ('exit' in got || (got.exceptionDetails && take(got.exceptionDetails.exception ?? {type: 'undefined'}) instanceof Exit)) {
    const {exit: code} = await exit;
    return {...answer, outcome: code ? 'error' : 'ok', exit_code: code};
  }
  if (got.exceptionDetails || got.failed) {
    report(got.exceptionDetails ?? {text: got.failed});
    return {...answer, outcome: 'error', exit_code: 1};
  }
  try {
    const value = take(got.result);
    if (value !== undefined) answer.value = show(value, request.most);
  } catch (e) {
    process.stderr.write(`the value cannot be shown: ${util.inspect(e)}\n`);
  }
  return answer;
}

function serve() {
  readRequest(async (request) => {
    let answer = {op: 'done', run: request.run, outcome: 'error', exit_code: 1};
    try {
      answer = await answerTo(request);
    } catch (e) {
      process.stderr.write(`${util.inspect(e)}\n`);
    }
    writeAnswer(answer);
    serve();
  });
}

// What a run prints is in the pipe before its answer is written, and an interrupted write leaves no stream half-way.
for (const stream of [process.stdout, process.stderr]) {
  stream._handle?.setBlocking?.(true);
  stream.write = (chunk, encoding, then) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk;
    for (let done = 0; done < bytes.length;) done += fs.writeSync(stream.fd, bytes, done);
    const told = typeof encoding === 'function' ? encoding : then;
    if (told) process.nextTick(told);
    return true;
  };
}
// What a cell left behind may fail later; the session goes on.
process.on('uncaughtException', (e) => { process.stderr.write(`Uncaught ${util.inspect(e)}\n`); });
process.on('SIGINT', () => interrupt());
globalThis.require = require('module').createRequire('/work/main.js');
writeAnswer({op: 'ready'});
serve();

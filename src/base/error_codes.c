#include "base/error.h"
#include "base/str.h"

#define NX_X_(sym, val, label) static const char name_##sym[] = label;
NX_ERROR_CODES(NX_X_)
#undef NX_X_
#define ID(sym) .code = (sym), .name = name_##sym

#define NX_X_(sym, val, label) +1
enum { COUNT = NX_ERROR_CODES(NX_X_) };
#undef NX_X_
#define FIRST (-NX_EINVAL)

/* In the order of the codes. Read by people: plain sentences, the cause first, then what to do about it. */
static const struct nx_error_info infos[] = {
	[-NX_EINVAL] =
		{
			ID(NX_EINVAL),
			.title = "the request is not valid",
			.why = "A value is missing, has the wrong type, is out of its range, or has a name that is not known. The same "
			       "request will be refused again.",
			.how = "Read the message: it names the member (the pointer says where it is) and what is allowed. Correct it and "
			       "send the request again; /docs shows every member with its type and range.",
			.title_ar = "الطلب غير صالح",
			.why_ar =
				"قيمة ناقصة، أو نوعها خطأ، أو خارج المدى المسموح، أو اسمها غير معروف. سيُرفض الطلب نفسه إن أُعيد كما هو.",
			.how_ar =
				"اقرأ الرسالة: فيها اسم الحقل وموضعه والقيم المسموح بها. صحّحه ثم أعد إرسال الطلب. تجد كل الحقول بأنواعها "
				"وحدودها في ‎/docs.",
		},
	[-NX_ENOMEM] =
		{
			ID(NX_ENOMEM),
			.title = "memory ran out",
			.why = "The system, the container's limit or the memory set aside for this request has none left.",
			.how = "Send less at once, or give NEXUS more memory (the container's limit, MemoryMax= of the systemd unit). Nothing "
			       "that was acknowledged is lost; the request can be repeated.",
			.title_ar = "نفدت الذاكرة",
			.why_ar = "لم تبقَ ذاكرة في النظام، أو بلغت الحاوية حدّها، أو بلغ هذا الطلب ما خُصّص له.",
			.how_ar =
				"أرسل قدرًا أقل في المرة الواحدة، أو زد ذاكرة NEXUS (حدّ الحاوية، أو MemoryMax=‎ في وحدة systemd). لم يضِع شيء "
				"مما أُقرّ باستلامه، ويمكن إعادة الطلب.",
		},
	[-NX_ENOTFOUND] =
		{
			ID(NX_ENOTFOUND),
			.title = "there is no such thing",
			.why = "The id, name or path does not exist, was deleted, or belongs to another tenant.",
			.how = "Check the spelling and the key you use; list what exists (for example `nexus task list`, `nexus agent list`).",
			.title_ar = "غير موجود",
			.why_ar = "المعرّف أو الاسم أو المسار غير موجود، أو حُذف، أو يخصّ مستأجرًا آخر.",
			.how_ar =
				"تحقّق من كتابته ومن المفتاح المستعمل، واعرض الموجود (مثل `nexus task list` و`nexus agent list`).",
		},
	[-NX_EEXISTS] =
		{
			ID(NX_EEXISTS),
			.title = "it exists already",
			.why = "Something with this id or name is there, and the operation makes new things only.",
			.how = "Choose another name, or change the existing one with PUT or PATCH.",
			.title_ar = "موجود من قبل",
			.why_ar = "يوجد شيء بهذا المعرّف أو الاسم، وهذه العملية لا تنشئ إلا الجديد.",
			.how_ar = "اختر اسمًا آخر، أو عدّل الموجود باستعمال PUT أو PATCH.",
		},
	[-NX_ECONFLICT] =
		{
			ID(NX_ECONFLICT),
			.title = "its state does not allow this",
			.why = "The object is not in a state in which the operation makes sense: a finished task cannot be paused, a step that "
			       "is not waiting cannot be approved. Or somebody else changed it in between.",
			.how = "Read the object again, see its state, and decide anew.",
			.title_ar = "الحالة الراهنة لا تسمح بذلك",
			.why_ar =
				"ليس الشيء في حالة تصحّ فيها هذه العملية: المهمة المنتهية لا توقَف مؤقتًا، والخطوة التي لا تنتظر لا يوافَق عليها. "
				"أو غيّره أحد في هذه الأثناء.",
			.how_ar = "اقرأ الشيء من جديد وانظر حالته ثم قرّر.",
		},
	[-NX_ETOOBIG] =
		{
			ID(NX_ETOOBIG),
			.title = "too large",
			.why = "A body, text, file or output is over a size limit; the message names the limit and its value.",
			.how = "Send less, or split it. Whoever runs the server can raise the limit: `nexus config` lists them all.",
			.title_ar = "الحجم أكبر من المسموح",
			.why_ar = "تجاوز المحتوى أو النص أو الملف أو المخرجات حدًّا للحجم، والرسالة تذكر الحدّ وقيمته.",
			.how_ar =
				"أرسل أقل أو قسّمه. ويستطيع مشغّل الخادم رفع الحدّ: الأمر `nexus config` يعرض الحدود كلها.",
		},
	[-NX_ELIMIT] =
		{
			ID(NX_ELIMIT),
			.title = "over a limit",
			.why = "A count, a depth or a rate is over its limit; the message names the limit and its value.",
			.how = "Ask for less, or slower: where the answer has Retry-After, wait that long. `nexus config` lists the limits.",
			.title_ar = "تجاوز الحدّ",
			.why_ar = "تجاوز العدد أو العمق أو المعدّل حدّه، والرسالة تذكر الحدّ وقيمته.",
			.how_ar =
				"اطلب أقل أو على مهل: إن جاء في الجواب Retry-After فانتظر تلك المدة. الأمر `nexus config` يعرض الحدود.",
		},
	[-NX_EUNAUTHORIZED] =
		{
			ID(NX_EUNAUTHORIZED),
			.title = "a valid key is needed",
			.why = "The request carries no key, or one that is unknown, expired or revoked.",
			.how = "Send `Authorization: Bearer KEY`. Make a key with `nexus key create` on the server's machine.",
			.title_ar = "يلزم مفتاح صالح",
			.why_ar = "الطلب بلا مفتاح، أو بمفتاح غير معروف أو منتهٍ أو مُلغى.",
			.how_ar =
				"أرسل الترويسة `Authorization: Bearer KEY`. أنشئ مفتاحًا بالأمر `nexus key create` على جهاز الخادم.",
		},
	[-NX_EFORBIDDEN] =
		{
			ID(NX_EFORBIDDEN),
			.title = "not allowed",
			.why = "The key has no scope for this operation or is bound to another user; or the system refuses access to a file; or "
			       "the Host or Origin of the request is not one that the server trusts.",
			.how = "Use a key with the scope that the message names, or correct the owner and mode of the file, or add the name to "
			       "api.allowed_hosts or api.allowed_origins.",
			.title_ar = "غير مسموح",
			.why_ar =
				"ليس للمفتاح صلاحية هذه العملية، أو هو مقيّد بمستخدم آخر، أو منع النظام الوصول إلى ملف، أو أن Host أو Origin في "
				"الطلب ليس مما يثق به الخادم.",
			.how_ar =
				"استعمل مفتاحًا له الصلاحية المذكورة في الرسالة، أو صحّح مالك الملف وأذونه، أو أضف الاسم إلى api.allowed_hosts أو "
				"api.allowed_origins.",
		},
	[-NX_ETIMEOUT] =
		{
			ID(NX_ETIMEOUT),
			.title = "it took too long",
			.why = "The time given to the task, step, call or run was over before it had finished.",
			.how = "Give it more time (`timeout_s`, `timeouts`, up to core.max_timeout), or less to do. /v1/tasks/{id}/trace shows "
			       "where the time went.",
			.title_ar = "انقضت المهلة",
			.why_ar = "انتهى الوقت المعطى للمهمة أو الخطوة أو النداء أو التنفيذ قبل اكتماله.",
			.how_ar =
				"أعطه وقتًا أطول (`timeout_s` و`timeouts` حتى core.max_timeout) أو عملًا أقل. المسار ‎/v1/tasks/{id}/trace يبيّن أين "
				"ذهب الوقت.",
		},
	[-NX_ECANCELLED] =
		{
			ID(NX_ECANCELLED),
			.title = "it was cancelled",
			.why = "Somebody cancelled the task, the client went away, or the server was asked to stop.",
			.how = "Nothing is wrong. Start it again if it is still wanted; a finished step can be kept with fork.",
			.title_ar = "أُلغي",
			.why_ar = "ألغى أحدٌ المهمة، أو انقطع العميل، أو طُلب من الخادم التوقف.",
			.how_ar =
				"لا خلل هنا. ابدأها من جديد إن كانت لا تزال مطلوبة، ويمكن الإبقاء على الخطوات المنتهية باستعمال fork.",
		},
	[-NX_EBUSY] =
		{
			ID(NX_EBUSY),
			.title = "busy now, try again",
			.why = "A queue is full, all slots are taken, or another request holds what this one needs.",
			.how = "Wait as long as Retry-After says, then send the same request again (with the same Idempotency-Key it is done "
			       "once only).",
			.title_ar = "مشغول الآن، أعد المحاولة",
			.why_ar = "امتلأ الطابور، أو شُغلت كل المواضع، أو يمسك طلب آخر بما يحتاج إليه هذا الطلب.",
			.how_ar =
				"انتظر المدة المذكورة في Retry-After ثم أعد الطلب نفسه (ومع Idempotency-Key نفسه لا يُنفَّذ إلا مرة واحدة).",
		},
	[-NX_EUNSUPPORTED] =
		{
			ID(NX_EUNSUPPORTED),
			.title = "not possible here",
			.why = "This build, this host or this version of a file format cannot do it; the message says which.",
			.how = "`nexus version --features` shows what the build has, `nexus doctor` what the host offers and what to install.",
			.title_ar = "غير متاح هنا",
			.why_ar =
				"هذا البناء من البرنامج أو هذا الجهاز أو إصدار صيغة الملف لا يتيح ذلك، والرسالة تبيّن أيّها.",
			.how_ar =
				"الأمر `nexus version --features` يبيّن ما في البناء، و`nexus doctor` يبيّن ما يتيحه الجهاز وما ينبغي تثبيته.",
		},
	[-NX_EIO] =
		{
			ID(NX_EIO),
			.title = "reading or writing failed",
			.why = "The disk, a file or a pipe returned an error; the message has its path and the system's words.",
			.how = "Look at the system's log (`dmesg`) for a failing disk, and at the path in the message. Then try again; nothing "
			       "was acknowledged that was not written.",
			.title_ar = "فشلت القراءة أو الكتابة",
			.why_ar = "أعاد القرص أو ملفٌ أو أنبوبٌ خطأً، وفي الرسالة مساره ونصّ خطأ النظام.",
			.how_ar =
				"انظر سجلّ النظام (`dmesg`) فقد يكون القرص معطوبًا، وانظر المسار المذكور، ثم أعد المحاولة. لم يُقَرّ باستلام شيء لم "
				"يُكتب.",
		},
	[-NX_ENOSPACE] =
		{
			ID(NX_ENOSPACE),
			.title = "the disk is full",
			.why = "The file system of the data directory, or a quota on it, has no room left. What was acknowledged before is safe; "
			       "this request was not taken.",
			.how = "Make room (`df -h` shows where) or move the data directory to a larger disk, then send the request again.",
			.title_ar = "امتلأ القرص",
			.why_ar =
				"لم يبقَ متّسع في نظام الملفات الذي فيه مجلد البيانات أو في حصّته. ما أُقرّ باستلامه من قبل محفوظ، وهذا الطلب لم يُقبل.",
			.how_ar = "أفسح مكانًا (`df -h` يبيّن أين) أو انقل مجلد البيانات إلى قرص أكبر، ثم أعد الطلب.",
		},
	[-NX_ECORRUPT] =
		{
			ID(NX_ECORRUPT),
			.title = "stored data is damaged",
			.why = "A checksum or a structure is not what was written: a failing disk, a program that changed the files, or a copy "
			       "made while the server was running.",
			.how = "Stop the server and keep a copy of the data directory. Indexes are rebuilt by themselves at the next start; the "
			       "database comes back from your last backup: put that copy in the place of the directory and start again.",
			.title_ar = "البيانات المخزونة تالفة",
			.why_ar =
				"مجموع تدقيق أو بنية لا يطابق ما كُتب: قرص معطوب، أو برنامج عبث بالملفات، أو نسخة أُخذت والخادم يعمل.",
			.how_ar =
				"أوقف الخادم واحتفظ بنسخة من مجلد البيانات. الفهارس تُبنى من جديد تلقائيًا عند التشغيل التالي، أما قاعدة البيانات "
				"فتُسترجع من آخر نسخة احتياطية: ضع تلك النسخة مكان المجلد ثم شغّل الخادم.",
		},
	[-NX_ENETWORK] =
		{
			ID(NX_ENETWORK),
			.title = "the network failed",
			.why = "A name could not be resolved, a connection was refused or broke, or a certificate is not trusted.",
			.how = "Check the address in the message, the network, and the proxy and certificate settings; try it with `curl -v`.",
			.title_ar = "خلل في الشبكة",
			.why_ar = "تعذّر إيجاد عنوان الاسم، أو رُفض الاتصال أو انقطع، أو الشهادة غير موثوقة.",
			.how_ar =
				"تحقّق من العنوان المذكور في الرسالة ومن الشبكة وإعدادات الوكيل والشهادات، وجرّب بالأمر `curl -v`.",
		},
	[-NX_EPROVIDER] =
		{
			ID(NX_EPROVIDER),
			.title = "the model or service answered with an error",
			.why = "The model endpoint, or another service that NEXUS calls, was reached and refused or broke off; its own words are "
			       "in the message.",
			.how = "Check model.base_url, model.chat and model.api_key with `nexus config`, the provider's status page, and your "
			       "quota there.",
			.title_ar = "أجاب النموذج أو الخدمة بخطأ",
			.why_ar =
				"وصل NEXUS إلى نقطة النموذج أو الخدمة التي يناديها لكنها رفضت أو انقطعت، ونصّ خطئها في الرسالة.",
			.how_ar =
				"راجع model.base_url وmodel.chat وmodel.api_key بالأمر `nexus config`، وصفحة حالة المزوّد، وحصّتك عنده.",
		},
	[-NX_ESANDBOX] =
		{
			ID(NX_ESANDBOX),
			.title = "the sandbox could not be set up",
			.why = "The host refused a namespace, a cgroup, a mount or the work directory. The code was not run.",
			.how = "`nexus doctor` tests each part and says what to change; common causes are unprivileged user namespaces that are "
			       "switched off and containers without a writable cgroup.",
			.title_ar = "تعذّر إعداد صندوق الحماية",
			.why_ar = "رفض الجهاز فضاء أسماء أو cgroup أو تركيبًا أو مجلد العمل. ولم تُنفَّذ الشيفرة.",
			.how_ar =
				"الأمر `nexus doctor` يختبر كل جزء ويبيّن ما ينبغي تغييره. من الأسباب الشائعة: تعطيل فضاءات الأسماء لغير الجذر، "
				"وحاويات لا تُكتب فيها cgroup.",
		},
	[-NX_EBLOCKED] =
		{
			ID(NX_EBLOCKED),
			.title = "refused by a safety rule",
			.why = "The scanner or a policy found something in the code or the action that is not allowed here; the findings name the "
			       "rule and the line.",
			.how = "Read the findings with `nexus scan`. Change the code, or, if you trust it, ask for a looser policy.",
			.title_ar = "رفضته قاعدة أمان",
			.why_ar =
				"وجد الفاحص أو إحدى السياسات في الشيفرة أو الفعل ما لا يُسمح به هنا، والنتائج تذكر القاعدة والسطر.",
			.how_ar = "اقرأ النتائج بالأمر `nexus scan`. غيّر الشيفرة، أو اطلب سياسة أوسع إن كنت تثق بها.",
		},
	[-NX_EBUDGET] =
		{
			ID(NX_EBUDGET),
			.title = "the budget is spent",
			.why = "The task would go over the tokens, money, steps or time that it was given. It was stopped before it spent more.",
			.how = "Raise the budget of the task while it waits, or start it with a larger one.",
			.title_ar = "استُنفدت الميزانية",
			.why_ar =
				"كانت المهمة ستتجاوز ما أُعطيت من رموز أو مال أو خطوات أو وقت، فأُوقفت قبل أن تنفق أكثر.",
			.how_ar = "ارفع ميزانية المهمة وهي تنتظر، أو ابدأها بميزانية أكبر.",
		},
	[-NX_EVERSION] =
		{
			ID(NX_EVERSION),
			.title = "written by a newer NEXUS",
			.why = "The data directory or file was made by a later version, whose format this one does not know. Nothing was changed.",
			.how = "Install that version or a later one, or restore a backup made before the upgrade.",
			.title_ar = "كتبه إصدار أحدث من NEXUS",
			.why_ar = "صُنع مجلد البيانات أو الملف بإصدار لاحق لا يعرف هذا الإصدار صيغته. ولم يُغيَّر شيء.",
			.how_ar = "ثبّت ذلك الإصدار أو ما بعده، أو استرجع نسخة احتياطية أُخذت قبل الترقية.",
		},
	[-NX_EINUSE] =
		{
			ID(NX_EINUSE),
			.title = "in use by another process",
			.why = "The port, or the data directory, belongs to a running process, most often another NEXUS.",
			.how = "Stop the other one (the message names it where the system tells), or choose another --listen or --home.",
			.title_ar = "يستعمله برنامج آخر",
			.why_ar = "المنفذ أو مجلد البيانات في يد عملية جارية، والغالب أنها NEXUS أخرى.",
			.how_ar =
				"أوقف الأخرى (تذكرها الرسالة إن أفصح النظام عنها) أو اختر ‎--listen أو ‎--home غيره.",
		},
	[-NX_EPARSE] =
		{
			ID(NX_EPARSE),
			.title = "the text cannot be parsed",
			.why = "JSON, YAML, a time, an expression or a query has a mistake in its form; the message gives line and column.",
			.how = "Look at that place: often it is a missing quote or comma, a comma too many, or a tab in YAML.",
			.title_ar = "تعذّر تحليل النص",
			.why_ar =
				"في JSON أو YAML أو الوقت أو العبارة أو الاستعلام خطأ في الصياغة، والرسالة تذكر السطر والعمود.",
			.how_ar =
				"انظر ذلك الموضع: كثيرًا ما تكون علامة اقتباس أو فاصلة ناقصة، أو فاصلة زائدة، أو مسافة جدولة في YAML.",
		},
	[-NX_EENCODING] =
		{
			ID(NX_EENCODING),
			.title = "the text is not UTF-8",
			.why = "Text must be UTF-8 without NUL; at the offset named it is something else, such as UTF-16, a Windows code page or "
			       "binary data.",
			.how = "Convert it (`iconv -f windows-1256 -t utf-8`), or send bytes as content_base64 with their mime type.",
			.title_ar = "النص ليس بترميز UTF-8",
			.why_ar =
				"يجب أن يكون النص بترميز UTF-8 بلا NUL، وفي الموضع المذكور شيء آخر مثل UTF-16 أو صفحة ترميز ويندوز أو بيانات ثنائية.",
			.how_ar =
				"حوّله (`iconv -f windows-1256 -t utf-8`) أو أرسل البايتات في content_base64 مع نوع mime.",
		},
	[-NX_ETYPE] =
		{
			ID(NX_ETYPE),
			.title = "it is not what it says it is",
			.why = "The content does not fit its declared type: a body without `Content-Type: application/json`, or a file whose name "
			       "promises one format and whose bytes are another.",
			.how = "Send the right type, or rename or convert the file; the message says what was found.",
			.title_ar = "المحتوى لا يطابق نوعه المعلن",
			.why_ar =
				"المحتوى يخالف النوع المذكور: طلب بلا `Content-Type: application/json`، أو ملف يَعِد اسمه بصيغة وفيه أخرى.",
			.how_ar = "أرسل النوع الصحيح، أو غيّر اسم الملف أو حوّله. الرسالة تذكر ما وُجد فيه.",
		},
	[-NX_EIDEMPOTENCY] =
		{
			ID(NX_EIDEMPOTENCY),
			.title = "the idempotency key was used for another request",
			.why = "An Idempotency-Key stands for one request; this one came before with another body.",
			.how = "Make a new key (a UUID) for each new request, and reuse it only to repeat the same one.",
			.title_ar = "استُعمل مفتاح التكرار لطلب آخر",
			.why_ar = "مفتاح Idempotency-Key يخصّ طلبًا واحدًا، وقد جاء هذا المفتاح من قبل بمحتوى مختلف.",
			.how_ar = "أنشئ مفتاحًا جديدًا (UUID) لكل طلب جديد، ولا تكرّره إلا لإعادة الطلب نفسه.",
		},
	[-NX_EUNREACHABLE] =
		{
			ID(NX_EUNREACHABLE),
			.title = "no server answers",
			.why = "Nothing listens at the address: the server is not running, is at another address, or a firewall is in between.",
			.how = "Start it with `nexus serve`, or name its address with --url or NEXUS_URL.",
			.title_ar = "لا خادم يجيب",
			.why_ar =
				"لا أحد يستمع على هذا العنوان: الخادم لا يعمل، أو هو على عنوان آخر، أو بينكما جدار ناري.",
			.how_ar =
				"شغّله بالأمر `nexus serve` أو حدّد عنوانه بالخيار ‎--url أو المتغيّر NEXUS_URL.",
		},
	[-NX_EMISSING] =
		{
			ID(NX_EMISSING),
			.title = "a program or model is not installed",
			.why = "The host lacks something that this needs, such as an interpreter, a library or the file of a model.",
			.how = "Install what the message names; `nexus doctor` lists everything that is missing with the command that installs it.",
			.title_ar = "برنامج أو نموذج غير مثبّت",
			.why_ar = "ينقص الجهازَ ما يلزم لهذا، مثل مفسّر لغة أو مكتبة أو ملف نموذج.",
			.how_ar = "ثبّت ما تذكره الرسالة. الأمر `nexus doctor` يسرد كل ناقص مع أمر تثبيته.",
		},
	[-NX_EINTERNAL] =
		{
			ID(NX_EINTERNAL),
			.title = "a fault of NEXUS itself",
			.why = "Something happened that should not be able to happen. It is not your mistake.",
			.how = "Report it with the trace id, the version (`nexus version`) and the log lines that carry that id.",
			.title_ar = "خلل في NEXUS نفسه",
			.why_ar = "حدث ما لا ينبغي أن يحدث، وليس الخطأ منك.",
			.how_ar =
				"أبلغ عنه مع معرّف التتبّع والإصدار (`nexus version`) وأسطر السجلّ التي تحمل ذلك المعرّف.",
		},
	[-NX_ELATER] =
		{
			ID(NX_ELATER),
			.title = "this version does not have it",
			.why = "The operation belongs to NEXUS's interface, but this version cannot do it.",
			.how = "/docs and `nexus --help` show what this version has; the changelog says what each version adds.",
			.title_ar = "ليس في هذا الإصدار",
			.why_ar = "العملية من واجهة NEXUS لكن هذا الإصدار لا ينفّذها.",
			.how_ar =
				"تجد ما في هذا الإصدار في ‎/docs و`nexus --help`، وسجلّ التغييرات يذكر ما يضيفه كل إصدار.",
		},
};

_Static_assert(nx_countof(infos) == COUNT + FIRST, "every code needs its texts");

const struct nx_error_info *nx_error_info(int code)
{
	if (code > -FIRST || code < -COUNT)
		return NULL;
	return &infos[-code];
}

const struct nx_error_info *nx_error_info_at(size_t i)
{
	return i >= COUNT ? NULL : &infos[i + FIRST];
}

/* Letters of either case; '_' and ' ' are as good as '-'. */
static bool same_name(nx_str word, nx_str name)
{
	if (word.n != name.n)
		return false;
	for (size_t i = 0; i < word.n; i++) {
		char c = word.p[i] == '_' || word.p[i] == ' ' ? '-' : word.p[i];
		if (!nx_str_ieq_ascii(nx_str_n(&c, 1), nx_str_n(name.p + i, 1)))
			return false;
	}
	return true;
}

const struct nx_error_info *nx_error_info_by_name(const char *name)
{
	nx_str word = nx_str_trim(nx_str_z(name));
	if (word.n > 3 && same_name(nx_str_n(word.p, 3), NX_STR("NX-")))
		word = nx_str_slice(word, 3, word.n);
	for (size_t i = FIRST; i < nx_countof(infos); i++) {
		nx_str full = nx_str_z(infos[i].name);
		if (same_name(word, nx_str_slice(full, 3, full.n)))
			return &infos[i];
	}
	return NULL;
}

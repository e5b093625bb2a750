"""Templates of many registers for training alone: notes, chats, letters, logs and records, with people and without.

Slots beside those of `generate`: `{w}` a common word, `{W}` the same with a capital, `{WW}` two of them, `{UP}` in
capitals. What has no entity teaches as much as what has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_POSITIVE = {
    "en": r"""
{age}yo male, {person}, c/o headache since {weekday}. No fever. {W} negative.
Seen with mother {first}. Child well, feeding normally, weight {num} g.
Handover: bed {num} {person}, {w} drain out, for CT tomorrow. Bed {num} {last}, nil by mouth.
Consultant: {person}. Registrar: {person}. Scribe: {first}.
Rx: Amoxicillin {num} mg TDS. Prescriber Dr {last}, {org}, {city}.
pt {first_lower} {last_lower} dnka, rang and left message w/ husband {first_lower}
Thank you for referring {person}, who works as a {w} in {city}.
Wife {first} reports he has been confused since returning from {country}.
Operation note. Surgeon: {person}. Assistant: {person}. Anaesthetist: Dr {last}.
{person_upper} - {W} reviewed, no change to plan.
Family meeting held with {first}, {first} and Dr {last} on {date}.
Troponin {num}, CRP {num}. Discussed with {last} at {org}.
Lives at {address} with two cats. Retired {w}. Daughter {first} visits on {weekday}s.
hey {first_lower} its {first_lower}, u coming to {city_lower} this weekend?
omg {first_lower} just told me about {first_lower}'s new job at {org}
hi, {person_lower} here, order never came
sorry wrong chat lol, that was for {first}
yes my name is {first}, surname {last}
it's under my wife's name, {person}
ship to {address} please and call {first} when you get there
agent {first}: thanks for waiting, I can see your order from {city}
You are now chatting with {first}. {first} has joined the chat.
i live in {city_lower} but the parcel went to {city_lower}
ask {first} or {first}, they both have admin rights
from {city_lower} to {city_lower} how much is the ticket?
my mate {first_lower} got his in two days, hes in {city_lower}
is there a {org} near {city}?
{first} wrote: {w} {w} {w}? {first} wrote: no
pls add {person_lower} to the booking, thx
wheres {first_lower}? hasnt answered since {weekday}
Dear Mr {last}, your overdraft was extended until {date}.
Dear Mrs. {last} and Mr. {last}, we write about your mortgage with {org}.
Account holder: {person}. Branch: {city}. {W} number {num}.
Debit of {amount} to {org}, {city}, on {date}.
TRANSFER FROM {person_upper} TO {person_upper} REF {num}
We have received a claim from {person_lf} regarding the property at {address}.
Cheque no. {num} payable to {org} was signed by {person}.
Your adviser, {person}, has left {org}. {first} {last} will take over your file.
Beneficial owners: {person} ({num}%), {person} ({num}%), both resident in {country}.
Please update our records: I have moved from {address} to {address}.
Ultimate parent: {org}, incorporated in {country}.
Sort code {num}, account name {person}
Payee {org}; {W} fee {amount}
{first}'s annual review is due; her manager is {person}.
We are pleased to offer {person} the position of {W} {W} in {city}.
{person} (employee no. {num}) resigned with effect from {date}.
Complaint by {last} against {last}: the {w} was not {w}.
Interview panel: {first} {last}, {first} {last} and {first}.
I, {person}, hereby authorise {person} to act on my behalf.
Congratulations to {first} on ten years at {org}!
Please give the keys to {first} before {weekday}.
Reports to: {person}. Location: {city}. Department: {W}.
Best,\n{first}
Regards\n{person}\n{W} {W}\n{org}\n{address}
Sincerely,\n{person}\n{org} | {city}, {country}
{first} {last}\n{address}
{org}\n{address}\nTel: {phone}
To:\n{person}\n{address}\n{country}
The {last}s are selling their house in {city}.
{first} and {first} {last} got married in {city} in {month}.
Neither {first} nor {first} had heard of {org}.
{person}, {person}, and {person} attended; {first} sent apologies.
{last}, {first}; {last}, {first}; {last}, {first}
The novel by {person} is set in {city} during the war.
Born in {city} to a {w}, {last} studied {w} at {org}.
{country} and {country} signed the agreement in {city}.
Heavy rain is expected in {city}, {state} on {weekday}.
A ship from {country} docked in {city} with {num} containers.
Police in {city} arrested {person}, {age}, of {address}.
{person} scored twice as {city} beat {city}.
{org} shares fell after {last} stepped down.
{org}, based in {city}, employs {num} people in {country}.
The {org} branch on {w} street is closed; go to {city} instead.
He left {org} to found {org} with {first} {last}.
She has an appointment at {org} on {date}.
{org} refused to comment. A lawyer for {last} said the {w} was {w}.
In {city} the {w} is {w}; in {country} it is not.
The road between {city} and {city} is closed.
I bought it at {org} and returned it to {org}.
The {org} has issued new guidance on {w}.
{person} 's {w} and {person} 's {w}
Mr and Mrs {last}, {address}
c/o {person}, {address}
Deliver {w} to {address} by {weekday}.
Property address: {address}\nTenant: {person}\nLandlord: {org}
Site visit at {address} with {first}.
{address} is for sale.
{address}
{person}
{city}
{org}
Owner {person_upper}, {address_upper}
CITY: {city_upper} COUNTRY: {country_upper} NAME: {person_upper}
PATIENT {person_upper} SEEN BY DR {last_upper} IN {city_upper}
FIRST NAME {first_upper} LAST NAME {last_upper} EMPLOYER {org_upper}
{date} 08:{num}:11 INFO login ok user={person_lower} host={w}-{num}
{date} 10:14:02,{num} WARN [{w}] customer {person} has no {w}
level=warn msg="{w} {w} for {person}" city="{city}" code={num}
[{date}] {W}: ticket {num} assigned to {first}
INFO {W}Service - sending mail to {person} <{email}>
audit user="{person}" action=view record={num} org="{org}"
DEBUG payload name={first} lastname={last} town={city}
{{"name": "{person}", "id": {num}, "role": "{w}"}}
{{"id": {num}, "first_name": "{first}", "last_name": "{last}", "city": "{city}", "active": true}}
{{"user": {{"displayName": "{person}", "company": "{org}", "lang": "en"}}}}
{{"address": "{address}", "country": "{country}", "zip": null}}
{{"from": "{person}", "to": "{person}", "text": "{w} {w}, {first}?"}}
{{"employees": ["{person}", "{person}", "{person}"], "site": "{city}"}}
{{"comment": "{first} said the {w} is {w}", "rating": {num}}}
{{"origin": "{city}", "destination": "{city}", "carrier": "{org}"}}
<name>{person}</name><city>{city}</city><status>{W}</status>
<contact first="{first}" last="{last}" employer="{org}"/>
name: {person}\nemail: {email}\ncity: {city}\nrole: {w}
id;name;city\n{num};{person};{city}\n{num};{person};{city}
{num},{last},{first},{city},{W},{num}
INSERT INTO users (name, city) VALUES ('{person}', '{city}');
SELECT * FROM {w} WHERE name = '{person}'
| {person} | {org} | {city} | {num} |
Q: Who is the {w}? A: {person}.
1. {person}\n2. {person}\n3. {person}
- {first}: {w} {w}\n- {first}: {w} {w}
Attendees: {first}, {first} {last}, {first} (remote)
@{first} can you look at the {W} {w}?
Re: {W} {w} ({person})
FW: {org} {W} {W}
On {weekday} I met {first} from {org} in {city}.
{first}, could you send the {W} Report to {first}?
Thanks {first}! Hope {city} was fun.
Will {first} be at the {w}? May {first} come too?
{first} has Parkinson's disease and {first} has type 2 diabetes.
Dr {last} prescribed Metformin; {first} is allergic to Penicillin.
{first} speaks French and German, and {first} only English.
In March {first} flew to {city}; in April to {country}.
{person} v. {org}, case no. {num}
Judge {last} ordered {org} to pay {person} {amount}.
Passport issued in {country} to {person_lf}.
Guest {person}, room {num}, from {city}, {country}
Flight {num} {city}-{city}, passenger {last}/{first}
{first} ({age}) and {first} ({age}) go to {org}.
Mum's name is {first}, dad's is {first} {last}.
Signed: {person}, witness: {person}, {city}, {date}
The {w} of {first} {last} was found near {city}.
hi im {first_lower}, ordered {num} days ago and still no {w}
this is {first_lower} again, any update?
im {person_lower} and my {w} is broken
tell {first_lower} i said hi
so {first_lower} said to {first_lower} that it was {w}
its for my son {first_lower}
did {first_lower} call {first_lower} back?
so my wife {first} called and spoke to {first} who said no
moving from {city_lower} to {city_lower} next month, pls update
LAST NAME: {last_upper} FIRST NAME: {first_upper} BORN IN {city_upper}
FULL NAME {person_upper} MARITAL STATUS SINGLE NATIONALITY BRITISH
SHIP TO {address_upper} LEAVE AT DOOR
EMPLOYER {org_upper} POSITION {UP} SALARY {num}
ATTN: {person_upper}, {org_upper}
I, {person_upper}, BORN IN {city_upper}, {country_upper}, DECLARE THE FOLLOWING
TRAIN FROM {city_upper} TO {city_upper} DELAYED
Trains from {city} to {city} via {city} are cancelled.
Floods hit parts of {state} and {state}.
Storms crossed {country}, {country} and {country}.
Raised in {city}, educated in {country}.
The {org} and {org} paid for it.
{org} and the {org} support the {w}.
Cared for by {org} since {month}; {first}'s {w} improved.
{first}'s contract ends in {month}, and {first}'s in {month}.
I gave it to {first}, but {first} thinks {month} is too late.
Invite {first}, {first} and {first} to {w}.
The {last}s came to dinner.
Next of kin: {first} (wife). {W} discussed with Dr {last}, who agrees.
O/E alert. D/w {last}. Rv by {first} {last} (ST3). {W} {w}.
Under the care of Mr {last} at {org} for {w} surgery.
Referred by: {person_lf}. Reason: {W} {w}.
Topic: {W} {w} - {person} - due {weekday}
Handover from {first} to {first}
Please welcome {person}, our new {W} {W}, formerly of {org}.
{num},{person},{city},{amount}
{{"first": "{first}", "last": "{last}", "room": "{W}", "plan": "{W}"}}
{{"company": "{org}", "position": "{W} {W}", "active": false}}
user="{person}" dept="{W}" action={w}
opened by {person_lower}, department {W}
Hello {first},\n\nThe {w} is {w}.\n\n{first}
Hi {first}\n{W} {w} {w} {num}.\n{person}
Dear {first} {last},\nYour {w} of {date} is {w}.\n\n{person}
Thanks\n{first}
{w} {w}.\n\n-- \n{person}
{w} {w} {num}.\n\n{person}\n{phone}
Town: {city}\nStart date: {date}\nPersonal email: {email}
Expires: {date}, holder {person}, tax file number {num}
curl -d '{{"name":"{person}"}}' https://{w}.example/{w}
Supplier: {org}, VAT {num}
{org} and {org} signed with {org}.
""",
    "de": r"""
Sehr geehrter Herr {last}, Ihr Antrag bei der {org} wurde genehmigt.
Sehr geehrte Frau Dr. {last}, anbei der Befund von {person}.
Liebe {first}, danke für die Karte aus {city}!
Hallo {first}, hier ist {first} von der {org}.
Mit freundlichen Grüßen\n{person}\n{org}
Der Patient {last} wurde am {date} aus dem {org} entlassen.
Herr {person} wohnt in {city} und arbeitet bei {org}.
{first} ist krank und kommt erst am Montag wieder.
Die Wohnung in der {address} ist ab März frei.
Anschrift: {address}
Name: {last} Vorname: {first} Geburtsort: {city}
Meine Tochter {first} geht in {city} zur Schule.
Wir fahren im Sommer von {city} nach {city}.
Die {org} hat ihren Sitz in {city}.
ich heiße {first_lower} und wohne in {city_lower}
Rechnung an {person}, {address}
{person} hat den Vertrag mit {org} gekündigt.
Laut {last} liegt die Heizung nicht im dritten Stock.
Der Patient {person} klagt seit Montag über Schmerzen im Rücken.
Mein Mann {first} arbeitet in {city}, meine Mutter lebt in {country}.
Frau {last} hat am Freitag einen Termin in der Praxis von Dr. {last}.
{person} ist am {date} umgezogen. Das Konto bleibt bestehen.
Sie erreichen Frau {last} unter {phone}.
Der Vertrag zwischen {org} und {first} {last} endet am {date}.
""",
    "fr": r"""
Chère Madame {last}, nous avons bien reçu votre courrier.
Bonjour {first}, as-tu vu {first} hier ?
Monsieur {person} demeurant {address} est assuré chez {org}.
Le patient {last} a été hospitalisé au {org} le {date}.
Cordialement,\n{person}\n{org}
Ma fille {first} habite à {city} depuis mars.
L'entreprise {org} est installée à {city}, en {country}.
Nom : {last} Prénom : {first} Ville : {city}
Adresse : {address}
Je m'appelle {first} et je travaille chez {org}.
D'après {person}, la réunion de {city} est annulée.
bonjour c'est {first_lower}, je suis à {city_lower}
Le docteur {last} conseille de garder l'enfant à la maison.
{first} et {first} partent de {city} pour {city}.
Compte ouvert au nom de {person}, agence de {city}.
Facture envoyée au {address}
Mon fils {first} et ma fille {first} vont au {org}.
{person} a signé le contrat avec {person} lundi.
Rendez-vous avec le Dr {last} jeudi à {city}.
Le siège de {org} est à {city}.
Il a appelé {first} {last} au {phone}.
Le contrat de {person} avec {org} est signé.
""",
    "es": r"""
Estimada señora {last}: Su solicitud ha sido aprobada por {org}.
Hola {first}, ¿has hablado con {first}?
Me llamo {person} y vivo en {address}.
El paciente {last} ingresó en el {org} el {date}.
Un saludo,\n{person}\n{org}
Mi hija {first} estudia en {city} desde marzo.
La empresa {org} tiene su sede en {city}.
Nombre: {first} Apellidos: {last} Ciudad: {city}
Dirección: {address}
soy {first_lower}, de {city_lower}, no me llega el pedido
Según {person}, el contrato vence el {date}.
{first} y {first} viajaron de {city} a {city}.
La cuenta está a nombre de {person}.
El doctor {last} recomienda reposo hasta el lunes.
Don {person} trabaja para {org} en {country}.
Hola, soy {first} y quiero cancelar mi pedido.
Mi madre, {person}, vive en {city} desde enero.
El doctor {last} del {org} llamó a mi padre, {person}.
Trabajo en {org} desde marzo; antes vivía en {city}.
{person} viajó de {city} a {city} por trabajo.
Su teléfono es {phone}, pregunte por {first}.
El contrato de {person} con {org} vence el {date}.
""",
    "zh": r"""
{person}您好，您的快递已到{city}，请尽快领取。
我是{org}的{person}，请问您是{person}吗？
患者{person}，{age}岁，因胸闷入院，主管医生{person}。
{person}和{person}都在{org}上班。
请把合同寄给{person}，地址是{address}。
{person}说{zhw}有问题，让{person}去看一下。
妈妈{person}陪孩子去了{org}。
收件人：{person}，{address}
我叫{person}，今年{age}岁，来自{city}。
他去年从{city}搬到{city}，现在在{org}工作。
{person}的{zhw}还没有{zhw}。
已通知{person}，{person}明天来{city}。
经理{person}批准了{person}的请假申请。
{city}今天下雨，{city}晴天。
{org}在{city}开了新店。
公司位于{address}，欢迎来访。
{person}、{person}、{person}参加了会议。
@{person} 麻烦看一下{zhw}
{{"姓名": "{person}", "城市": "{city}", "电话": "{cn_phone}"}}
姓名,城市,单位\n{person},{city},{org}
从{city}到{city}的高铁几点？
听{person}讲，{org}要裁员了。
{person}老师让{person}家长来一趟。
{en_person}让{person}把{zhw}发给{org}。
{person}住在{address}，是{org}的退休职工。
这是给{person}的，{person}不用签字。
{person}因{zhw}向{org}投诉。
原告{person}诉被告{org}{zhw}纠纷一案。
{country}客户{person}昨天到了{city}。
亲爱的{person}：祝你在{city}一切顺利！
Hi {en_person}，文件已经发给{person}了。
{person}说他明天去{city}。
我是{city}人，现在在{org}上班。
麻烦{person}核对一下{zhw}。
来自{country}和{country}的{zhw}到了{city}。
{person}的银行卡已封，请联系{org}。
{person}下午三点到{city}。
""",
}

_NEGATIVE = {
    "en": r"""
{W} {w} {w} {w}.
{W} {W} and {W} {W}
{W} {w}: {W}, {W} and {W}.
No {w} {w} here.
nothing {w}
there is nobody {w} here, just {w}
Dear Sir or Madam, the {w} is {w}.
Dear Customer, your {W} {w} is ready. Thank you!
Dear Patient, your {w} is due in {month}.
Hello, I have a question about my {w} {w}.
Hi team, the {W} {w} moved to {weekday}.
Hi there, any news on the {w}?
Good morning everyone, {w} is {w} today.
Thanks, that worked! The {w} is fine now.
Kind regards, the Support Team
BP {num}/{num}, HR {num}, SpO2 {num}% on RA, Temp {num}. HbA1c {num}, CRP {num} mg/L, Troponin {num} ng/L.
Glucose {num} mmol/L, Creatinine {num} µmol/L, TSH normal, Hb {num} g/dL.
Hx: Hypertension, Type 2 Diabetes, COPD, GERD. Denies Alcohol.
Meds: Lisinopril {num} mg, Simvastatin, Omeprazole, Levothyroxine, Warfarin, Aspirin.
Diagnosis: Crohn's disease. Plan: MRI, Colonoscopy, repeat {W}.
Past history of Hodgkin lymphoma, Graves' disease, Bell's palsy and Down syndrome.
CT Head: No acute {w}. Impression: Normal {W}.
Kernig and Romberg signs negative. Apgar {num}. Doppler normal.
PLAN: 1) {W} 2) repeat bloods 3) discharge home
The French, German and Chinese versions differ. The Russian one is missing.
American and Japanese cars are more {w} than Italian ones.
We teach English, Spanish, Arabic, Hindi, Korean and Polish.
Open Monday to Friday, closed Saturday and Sunday, and all of August.
See you on {weekday}. {month} is {w}.
In {month} the {w} rose; by Christmas it was {w}.
Install Python, Docker and Kubernetes, then run Jenkins.
{W} uses Java, TypeScript, React, Angular and PostgreSQL.
The iPhone, the Kindle and the PlayStation are {w}.
Open Word, Excel, PowerPoint or Outlook and click {W}.
Press Enter, choose Settings > {W} > {W} and click Save.
We use the Adam optimiser, a Gaussian kernel and Markov chains with Bayes' rule.
Our Toyota broke down, so we rented a {W}.
The rainforest, the desert and the river are {w}.
North wind, {w} later, rain in the South and snow in the West.
Chapter {num}: The {W} {W} of the {W}
{num}. {W} {W} ........ {num}
Section {num}.{num} {W} and {W}
Figure {num}: {W} {w} of the {w} {w}
Table {num}. {W} {w} by {W} and {W}
Terms of Service | Privacy Policy | Cookie Settings | Contact Us
Home About Products Blog Careers {W}
Subject: {W} {W} Update
Re: {W} {w} {w}
Agenda: {W}, {W} {w}, Any Other Business
Total: {amount} VAT: {amount} Payment: {W} {w} Due: {date}
Order Status: Shipped. Payment Method: Visa. {W}: {W}
Ingredients: Sugar, Butter, {W}, Flour, Salt
{W} Jacket, Size L, Colour: Navy
name,city,country,amount
first_name;last_name;address;phone;email
Name: Address: Phone: City:
Name: N/A Address: unknown Employer: none
Name: ________ Signature: ________
"name": null, "city": "", "company": "unknown"
{{"status": "{W}", "type": "{w}", "message": "{W} {w} {w}", "id": {num}}}
{{"level": "Info", "{w}": "{W}", "enabled": true, "count": {num}}}
{{"title": "{W} {W}", "language": "German", "category": "{W}"}}
{{"error": {{"code": {num}, "message": "{W} not found"}}}}
{date}T08:{num}:11Z INFO {w} {W} started in {num} ms
{date} 10:14:02,{num} ERROR [{w}-{num}] {W}{W}Exception: {w} {w}
[{W}] WARN {W} {w} failed, retrying in {num}s
at org.{w}.{w}.{W}{W}.{w}({W}{W}.java:{num})
File "{w}/{w}.py", line {num}, in {w}_{w}
TypeError: {w}() got an unexpected keyword argument '{w}'
GET /api/{w}/{num} HTTP/1.1 {num} {num} "Mozilla/5.0 (Windows NT 10.0; Win64)"
kernel: [{num}.{num}] usb {num}-{num}: new {w} device
systemd[1]: Started {W} {W} Service.
{w}@{w}-{num}:~$ sudo apt-get install {w}-{w}
level=info ts={date} caller={w}.go:{num} msg="{w} {w}" component={w}
request_id={HEX}-{HEX} {w}={w} duration={num}ms
trace {HEX}{HEX} span {HEX} {w}
{UP}_{UP}_{UP}={num}
export {UP}_{UP}={w}
AWS_{UP}_KEY={HEX} BIC {UP} DOB {date} NHS {num} VAT {num}
-----BEGIN {UP} KEY----- {HEX}{HEX}
{UP} {UP} {UP}
{UP}: {UP} {UP} {UP}
PLEASE {UP} THE {UP} BEFORE {UP}
DO NOT {UP} {UP} UNTIL FURTHER NOTICE
{W} {w} {w} {num}% {w}
I {w} the {w} and it {w}.
He said that she had {w} their {w}.
She told him about it, and they {w} us.
My mother and my brother {w} the doctor.
The patient, the nurse and the surgeon agreed.
The manager spoke to the client about the {w}.
Our bank, the hospital and the school were closed.
The Head of People and the Support desk are {w}.
The CEO, the CFO and the HR department {w}.
The minister met the president in the capital.
Where is the {w}? Is it on the {w} floor?
Will it {w}? May I {w}? Mark it as {w}.
Grace period ends soon. Hope it works. Bill the customer. Rose by {num}%.
Just {w} it. Let it {w}. Can you {w} it?
Please find attached the {W} {w}.
Click here to {w} your {w}.
Version {num}.{num}: {W} fixed, {W} added.
TODO: {w} the {w}, {w} later
lol that is so {w}
ok thx bye
yes no maybe {w}
hmm, {w}? idk
is anyone {w}?
my {w} wont {w}, pls help
order {num} still not {w}
so {w} is {w} and {w} is not
N/V, SOB, CP, ROM, DNR, PRN, BID. Denies {w}. Plan: {w}.
L4-L5 {w}, C5-C6 {w}, T12 fracture. S1, S2 normal. ST3 note.
Foley catheter, Hartmann's solution, Heimlich manoeuvre, Bair Hugger, Yankauer suction.
Glasgow Coma Scale {num}, Wells score {num}, Barthel index {num}, Waterlow {num}.
Sjogren, Cushing, Addison, Wilson and Marfan syndromes were ruled out.
Doliprane, Nurofen, Ventolin, Xarelto, Sertraline, Ramipril, Prozac, Calpol.
Mobilising with frame. Bloods pending. Chest clear. Abdomen soft. Eating and drinking.
Mobilising independently, awaiting {w}, bloods {w}, for {W} in the morning.
Traceback (most recent call last): {W}Error: '{W}-{W}'
{W}{W}Exception at com.{w}.{W}.{w}({W}.java:{num})
org.{w}.{W}Controller - {W} {w}
Jan {num} 09:14:07 {w}{num} {w}[{num}]: {W} {w} for {w} from 10.0.0.5 port {num}
DEBUG Kafka, Redis, Nginx and Tomcat {w}; Worker-{num} {w}
Chrome, Safari, Firefox and Edge are supported. MacBook or Surface required.
gotta {w} the {w}, brb
LOL {UP} {UP}
ok {UP} now pls
Early {W}. Late {W}. The {W} shall {w} the {W}.
{W},{W},{W},{W}\n{W} {W},{W},{W},{num}\n{W} {W},{W},{W},{num}
{num},{W} {W},{W},{num}
sku,{w},{w}\n{num},{W},{num}\n{num},{W},{num}
{{"theme": "{W}", "{w}": "{W}", "role": "{W} {W}", "tags": ["{W}", "{W}"]}}
{{"ward": "{W}", "diet": "{W}", "plan": "{W} {W}"}}
Cloudy, Sunny, Windy. High {num}, Low {num}. North-East {num} km/h.
The {W} in the {W} room is on {weekday}. Maternity leave and {W} leave differ.
Senior Analyst, Payroll Specialist, {W} Manager, Head of {W}
Mean, Median and Standard Deviation of each Group
SIGNATURE REQUIRED. {UP} {UP}. MARITAL STATUS: SINGLE. OCCUPATION: {UP}
NAME: ADDRESS: TEL: NONE NOTES: {UP} {UP}
Women in {W}, Men in {W}, Introduction to {W}
{w} {w}, {W} {w}? {w}.
{W} Not Found. Return to {W}.
Step {num}: {W} the {w}. Step {num}: {W} and {w}.
Your ITIN, SSN, IBAN, MRN, SWIFT, PAN, BSN and NHS numbers are {w}.
The GitHub token, the bitcoin wallet and the {W} key are {w}.
Personal email: none. Tax file number: {num}. Start date: {date}. Town: n/a. Expires: {num}/{num}
Date of birth: {date}. Sort code: {num}. Account number: {num}. Policy no. {num}. Postcode: unknown.
Add {num} g of {w}, {num} ml of {w} and bake for {num} minutes at {num} degrees.
They won {num} to {num}; it was {num} all at half time.
Version {num}.{num} needs {num} MB; version {num} needs {num}.
Under section {num} of the Act, paragraph {num}, a fine of {amount} applies.
Order {num}: {num} x {w}, {num} x {w}, total {amount}.
Chapter {num}, page {num}, line {num}: {w} {w}.
curl -X POST -H "Content-Type: application/json" -d @{w}.json http://localhost:{num}/{w}
Host: {w}.example Accept: text/html User-Agent: {W}/{num}.{num} Cache-Control: no-cache
[{w}]\n{w} = {num}\n{w}_{w} = true\n{w} = "{w}"
docker run -p {num}:{num} --name {w} {w}:{num}
{HEX}{HEX}{HEX}== {HEX}{HEX}+{HEX}/{HEX}=
goroutine {num} [running]: main.{w}(0x{HEX}) /{w}/{w}.go:{num}
It cost {amount} in {num}, and {amount} now.
About {num} of {num} people {w} {num} times a week.
""",
    "de": r"""
Der {W} ist {w} und die {W} im dritten Stock ist kaputt.
Die Heizung, das Fenster und die Tür der Praxis sind {w}.
Um 10 Uhr beginnt die Besprechung im Raum {num}.
Sehr geehrte Damen und Herren, anbei die {W}.
Vielen Dank für Ihre Nachricht. Die {W} folgt am Freitag.
Mit freundlichen Grüßen Ihr Serviceteam
Bitte schicken Sie die {W} bis Montag zurück.
Guten Tag, meine Bestellung ist noch nicht da.
Befund: Kein Hinweis auf Fraktur. Blutdruck {num}/{num}. Diagnose: Grippe.
Im {month} war der Umsatz höher als im Vorjahr.
Das Wetter wird am Wochenende schön, mit Sonne und Wind.
Die deutsche und die französische Fassung sind gleich.
Wir haben den Vertrag, die Rechnung und das Angebot geprüft.
{W} {w} {w} {W} {w}.
Die {W} der {W} wird vom {W} des Hauses bezahlt.
Kontostand: {num} Euro. Verwendungszweck: Miete.
Starke Kopfschmerzen, Übelkeit, Husten und Fieber seit Dienstag.
Mein Mann und meine Tochter warten auf den Bescheid der Versicherung.
Ich bin Lehrerin, mein Sohn macht eine Ausbildung im Handwerk.
Die Lieferung verspätet sich um {num} Tage, das Paket liegt im Lager.
Im Anhang finden Sie das Angebot, die Preise und den Zeitplan.
Der Betrag von {num} Euro wird am {date} vom Konto abgebucht.
Sie haben {num} Punkte. Das Schreiben vom {date} liegt bei.
Die Dienstreise dauert {num} Tage, dienstlich und privat getrennt.
Das Konto wurde am {date} eröffnet. Der Zinssatz beträgt {num} Prozent.
Am {date} um {num} Uhr tagt der Ausschuss. Eine Stunde später ist Pause.
Er wurde am {date} geboren und ist {num} Jahre alt.
Wir bestätigen den Eingang Ihrer Zahlung über {num} Euro.
""",
    "fr": r"""
Le {w} est {w} et la {w} n'est pas {w}.
L'entreprise, l'école et l'hôpital étaient fermés lundi.
Bonjour, je n'ai pas encore reçu ma commande.
Madame, Monsieur, veuillez trouver ci-joint le {w}.
Merci pour votre message. À bientôt, le service client
Le traitement commence le {date} à 10 h.
Compte rendu : pas de fracture. Tension {num}/{num}.
Les versions anglaise et allemande sont {w}.
J'ai {w} la facture d'avril. Qu'en pensez-vous ?
D'accord, c'est {w}. N'oubliez pas le {w}.
{W} {w} {w} {w}.
Aujourd'hui il fait beau, demain il pleut.
Mon fils et ma fille vont à l'école le jeudi et le lundi.
Douleurs, fièvre et toux depuis mardi. Paracétamol prescrit.
Rendez-vous confirmé pour jeudi, merci de prévenir en cas d'absence.
Mon colis n'est pas arrivé, que dois-je faire ?
Il est né le {date}. Le montant est de {num} euros.
Le contrat n° {num} prend effet le {date} pour {num} mois.
Nous vous rappelons que la somme de {num} euros est due le {date}.
Il reste {num} pages. La réunion a lieu à {num} h au bureau {num}.
""",
    "es": r"""
El {w} es {w} y la {w} no está {w}.
El contrato vence el {date} y la factura el lunes.
Buenos días, todavía no he recibido mi pedido.
Estimado cliente: su {w} está {w}. Gracias.
La empresa, la escuela y el hospital estaban cerrados.
Informe: sin fractura. Tensión {num}/{num}. Diagnóstico: gripe.
Las versiones inglesa y francesa son {w}.
Un saludo del equipo de soporte.
¿Dónde está el {w}? No lo sé.
{W} {w} {w} {w}.
Hoy hace sol; en enero llovió.
En caso de emergencia, llame al {num}.
Quiero cambiar mi cita del lunes por el jueves.
Mi madre y mi padre esperan la respuesta del seguro.
Dolor de cabeza, fiebre y tos desde el martes.
Adjunto el contrato firmado y la factura de enero.
El informe consta de {num} páginas y {num} anexos.
Su teléfono es {phone} y su código es {num}.
El importe de {num} euros vence el {date}.
Nació el {date} y tiene {num} años.
La factura número {num} se pagó el {date}.
""",
    "zh": r"""
{zhw}{zhw}{zhw}。
{zhw}已经{zhw}，请{zhw}。
您好，我的订单还没有{zhw}，麻烦帮忙看看。
没有找到{zhw}。
金额三十万元，利率百分之五，期限两年。
患者{age}岁，{zhw}，血压{num}/{num}，予以{zhw}治疗。
请在三个工作日内完成{zhw}。
系统{zhw}失败，请稍后再试。
今天星期{zhn}，明天{zhw}。
这个{zhw}很{zhw}，我们都{zhw}。
医生说{zhw}，护士{zhw}。
公司规定员工不得{zhw}。
根据{zhw}法第{num}条，{zhw}应当{zhw}。
他说她昨天{zhw}了，大家都{zhw}。
谢谢，{zhw}收到了。
{zhw}：{zhw}，{zhw}：{num}
客服：您好，请问有什么可以帮您？
老师，孩子今天{zhw}，请假一天。
一、{zhw}；二、{zhw}；三、{zhw}。
{num}月{num}日，{zhw}会议在二楼会议室举行。
中文和英文版本不同，日语版本没有。
谢谢师傅，放在门口就行。
想跟您核对一下{zhw}，方便吗？
他开了一家公司，生意不错。
您好，想问一下{zhw}什么时候到？
麻烦帮我查一下{zhw}，谢谢。
小心地滑，请注意安全。
下午三点开会，四点结束，请准时。
银行卡已封，验证码是{num}，请勿告诉他人。
封禁{num}天，扣{num}分，共{num}次。
转账{num}元，手续费{num}元，余额{num}元。
第{num}章第{num}条，罚款{num}元。
""",
}


def _lines(groups: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    made = {
        language: tuple(line.replace("\\n", "\n") for line in text.strip().split("\n"))
        for language, text in groups.items()
    }
    return MappingProxyType(made)


WITH_PEOPLE = _lines(_POSITIVE)
WITHOUT = _lines(_NEGATIVE)

"""Templates of the labelled set, by language and register; the training of the tagger uses none of them.

A line is a template; "⏎" in it is a line break, and a slot such as `{card}` is filled by `benchmarks.pii.make`. Slots of
`NEGATIVES` there are filled with values that look like personal data but are not.
"""

from __future__ import annotations

TEMPLATES = {
    "en clinical note": """
Seen today in follow-up: {person}, {age_en}, MRN {mrn}. BP {bp}, afebrile, lungs clear.
Referral received {date_en} from the practice in {city}; NHS No {nhs}. Please triage as urgent.
DISCHARGE SUMMARY⏎Name: {person}⏎DOB: {dob_en}⏎Hospital no.: {mrn_bare}⏎Ward: {ward}
Pt is a {age_en} woman who presented on {date_en} with two days of vomiting.
Contacted husband on {phone} at 14:20; he will bring her glasses.
Theatre list for {date_en}: 1) {person}, left hip, medical record number {mrn}.
Tolerated {dose} mg of ibuprofen. Next review {date_en} in the outpatient department.
Labs drawn {date_iso}: Na 138, K 4.1, creatinine 82. Ref {order}.
Patient ID: {mrn} | Insurance card scanned | Emergency contact {person} {phone}
Letter copied to GP, {address_uk}. Patient's NHS number is {nhs}.
""",
    "en support chat": """
agent: thanks for waiting! which e-mail is the account under?⏎customer: it's {email}
customer: my card {card} was charged twice for order {order}⏎agent: I am sorry, let me look
hey, can u change my number to {phone}? the old one doesn't work anymore
I still can't log in from {ipv4}. My username is the same as my mail, {email}.
customer: the tracking page {url} says delivered, but nothing came to {address_us}
agent: could you confirm the last four digits and your date of birth?⏎customer: sure, {dob_en}
Please stop texting {phone}, that's my daughter's phone, she is {age_en}.
My app is on version {version} and the phone runs build {build}.
ok so my social is {ssn} and my zip is {zip_us}. anything else?
The refund of {price} for ticket #{order} went to the wrong card, it should be {card}.
Is {domain} your real site or is it a scam?
""",
    "en bank letter": """
Dear {person},⏎we have received your transfer of {price} to IBAN {iban}.⏎Yours sincerely,⏎Customer Care
For your security, never tell anybody the code that we sent to {phone}.
Your new debit card {card} will be posted to {address_uk} within five days.
Beneficiary account: {iban}; reference {order}; value date {date_en}.
The direct debit from account number {account} was returned unpaid on {date_en}.
To close the account, write to {email} and quote reference {order}.
Routing number {aba}, account number {account}: please verify both before {date_en}.
SWIFT: {swift}, IBAN: {iban}. Fees are shared.
Under the tax treaty we need your ITIN ({itin}) or your SSN ({ssn}).
Interest of {percent} was credited for the quarter; no action is needed.
""",
    "en human resources": """
New starter form⏎Full name: {person}⏎NI number: {nino}⏎Start date: {date_en}⏎Personal email: {email}
I-9 verified: passport {passport_us}, social security number {ssn}.
{person} has asked us to send the P60 to {address_uk}.
The candidate, {age_en}, holds a driver's license {dl_us} and can start on {date_en}.
Payroll: direct deposit to account {account}, routing number {aba}.
Emergency contact of {person}: {person}, {phone}.
Salary band {grade}; {percent} raise proposed; headcount {num}.
Please add {email} to the distribution list and remove {email}.
Employee born {dob_en}, works from {city}, tax file number {au_tfn}.
Her SIN is {ca_sin}, and his is {ca_sin}. Both were verified.
Right to work check: national insurance number {nino}, passport number {passport_uk}.
""",
    "log": """
{timestamp} INFO  auth: login ok user={email} ip={ipv4} rid={uuid}
{timestamp} WARN gateway: 429 for {ipv6} after {num} requests
{timestamp} ERROR db: connection to {ipv4}:5432 refused, retry in {num} ms
dhcpd: DHCPACK on {ipv4} to {mac} via eth0
sshd[{num}]: Failed password for root from {ipv4} port {num} ssh2
level=debug msg="payment accepted" pan={card} trace={hash}
{ipv4} - - [{clf}] "GET /index.html HTTP/1.1" 200 {num} "-" "Mozilla/5.0"
kernel: eth1: link up, hwaddr {mac}, firmware {version}
Deployed build {version} ({hash}) to production in {num} s
export AWS_ACCESS_KEY_ID={aws}
git push https://{github}@github.com/acme/app.git  # remove this!
slack webhook token {slack} rotated, stripe key {stripe} still live
DEBUG request header Authorization: Bearer {jwt}
checksum {hash} ok, object {uuid} stored, size {num} B, part 3/12
GOOGLE_API_KEY={gcp} is set in staging
resolved {domain} to {ipv4} in {num} ms
connection string: {azure}
""",
    "json": """
{{"user": {{"email": "{email}", "phone": "{phone}"}}, "id": "{uuid}", "v": "{version}"}}
{{"payment": {{"pan": "{card}", "exp": "12/28", "amount": "{price}"}}}}
{{"client_ip": "{ipv4}", "path": "/v2/health", "status": 200, "took_ms": {num}}}
{{"iban": "{iban}", "name": "{person}", "currency": "EUR", "ref": {order}}}
{{"birthDate": "{date_iso}", "gender": "female", "identifier": [{{"system": "nhs", "value": "{nhs}"}}]}}
{{"device": {{"mac": "{mac}", "ipv6": "{ipv6}"}}, "sha256": "{hash}"}}
{{"wallet": "{btc}", "network": "mainnet", "fee": 0.0001}}
{{"token": "{jwt}", "type": "Bearer", "expires_in": 3600}}
{{"ssn": "{ssn}", "zip": "{zip_us}", "state": "CA"}}
[{{"vat": "{vat}", "site": "{url}"}}, {{"vat": "{vat}", "site": null}}]
{{"身份证": "{cn_id}", "手机": "{phone_cn}", "状态": "正常"}}
{{"openai_api_key": "{openai}", "model": "large", "temperature": 0.2}}
""",
    "form": """
Surname: {last}⏎First name: {first}⏎Date of birth: {dob_en}⏎Passport No.: {passport_uk}⏎Nationality: {country}
Vehicle registration: {plate_uk}⏎Mileage: {num}⏎Colour: red
License plate {plate_us}, driver license no. {dl_us}, policy {order}
Cardholder {person} / Card number {card} / Expires 09/27
Billing address: {address_us}⏎E-mail: {email}⏎Phone: {phone}
Taxpayer: {person}; ITIN: {itin}; Address: {address_us}
Postcode: {postcode_uk}⏎Town: {city}⏎Tel.: {phone}
Aadhaar: {in_aadhaar}⏎PAN: {in_pan}⏎Mobile: {phone}
CPF: {br_cpf}⏎Nome: {person}⏎Cidade: {city}
PESEL: {pl_pesel}⏎E-mail: {email}
Personnummer: {se_pn}⏎E-post: {email}
Henkilötunnus: {fi_hetu}⏎Puhelin: {phone}
BSN: {nl_bsn}⏎E-mailadres: {email}⏎IBAN: {iban}
NRIC: {sg_nric}⏎Contact: {phone}
Codice fiscale: {it_cf}⏎Partita IVA: {vat}
[ ] I agree to the terms, version {version}, section 4.2.1
""",
    "e-mail thread": """
> On {date_en}, {person} <{email}> wrote:⏎> can we meet on Tuesday?
Hi all,⏎I'm out until {date_en}. For urgent things call {phone}.⏎{first}
From: {email}⏎To: {email}⏎Subject: invoice {order}⏎⏎Attached. VAT ID {vat}.
{person}⏎Head of Purchasing, {org}⏎{address_uk}⏎T {phone} | {url}
FYI the server moved to {domain} ({ipv4}), credentials: password: {password}
Could you wire {price} to {iban} today? Thanks, {first}
Sent from my phone. My new mail is {email}, please update your address book.
The donation address is {btc} (bitcoin) or {eth}.
The meeting notes are at {url}, and the agenda has {num} items.
Thanks {first}, I've booked the flight to {city} for {date_en}; passport {passport_us}.
""",
    "en police and law": """
The witness, {person}, {age_en}, of {address_uk}, made a statement on {date_en}.
Officers stopped a grey van, number plate {plate_uk}, near {city}.
The defendant (born {dob_en}) held a passport numbered {passport_uk}.
Case {order} was adjourned to {date_en}; costs of {price} were awarded.
A device with MAC address {mac} connected from {ipv4} shortly before.
The suspect's car bears the licence plate {plate_us} and was last seen on {date_en}.
Pursuant to section {num}, the claim for {price} is dismissed.
The wallet {eth} received the funds; they moved on to {btc}.
""",
    "en prose with none": """
The committee met four times and adopted 12 of 15 recommendations by a margin of 3 to 1.
Mix 250 g of flour with 100 ml of water and bake at 180 degrees for 25 minutes.
Version {version} fixes the bug; upgrade from {version} is automatic.
Order {order} contains 3 items at {price} each, total {price}, {percent} discount applied.
See chapter 12, figures 3.4 and 3.5, and table 7 for the full results (n = {num}, p < 0.001).
The commit {hash} touches 14 files; run id {uuid}.
The flight lasts 11 hours and 25 minutes and covers 9,560 kilometres.
ISBN {isbn} costs {price} in paperback.
The score was 3-1 after 90 minutes, in front of {num} people.
Serial number {serial}, part {serial}, revision C.
Room 4.12, floor 3, ext. of the building opened after 2 years of work.
The queue holds {num} messages of up to {num} bytes; the cache has {num} entries.
""",
    "zh chat": """
您好，我的手机号是{phone_cn}，请尽快联系我。
客服：请提供身份证号。⏎用户：{cn_id}
我住在{address_zh}，快递放门口就行。
订单号{order}已经发货，预计3天到。
麻烦把发票寄到{email}，谢谢！
我今年{age_zh}，想问一下保险怎么买？
银行卡{card}扣了两次款，金额{price_zh}。
我的微信就是手机号{phone_cn}，加我备注{person_zh}。
生日是{date_zh}，可以打折吗？
车牌{plate_cn}的车主请挪一下车。
网址是{url}吗？打不开。
会议改到{date_zh}下午三点，地点不变。
这个版本{version}有问题，退回{version}就好了。
""",
    "zh medical": """
患者{person_zh}，男，{age_zh}，住院号：{mrn_digits}，于{date_zh}入院。
病历号：{mrn_digits}，身份证{cn_id}，家属电话{phone_cn}。
出院诊断：肺炎。复诊日期：{date_zh}。
出生日期：{date_zh}⏎性别：女⏎联系电话：{phone_cn}
{person_zh}的检查报告已发送至{email}。
护照号码{passport_cn}，国籍：美国，联系人电话：{phone_cn}
血压{bp}，心率72次/分，体温36.8℃。
""",
    "de letter": """
Sehr geehrte Frau {last},⏎Ihre Steuer-ID lautet {de_tax}, bitte bewahren Sie dieses Schreiben auf.
Bitte überweisen Sie {price_de} bis zum {date_de} auf das Konto {iban}.
Der Patient, geboren am {date_de}, wurde am {date_de} entlassen.
Wir haben Ihren Antrag vom {date_de} erhalten. Rückfragen unter {phone_de}.
Anschrift: {address_de}⏎Telefon: {phone_de}⏎E-Mail: {email}
Das Fahrzeug mit dem Kennzeichen {plate_de} wurde abgemeldet.
Unsere USt-IdNr. ist {vat_de}, die Rechnung trägt die Nummer {order}.
Der Reisepass {passport_de} läuft am {date_de} ab.
Frau {person} ist {age_de} und wohnt in {city}.
Die Lieferung umfasst {num} Stück zu je {price_de}, Artikel {serial}.
Handy {phone_de}, dienstlich {email}, erreichbar ab 8 Uhr.
""",
    "fr letter": """
Madame, votre numéro de sécurité sociale est le {fr_nir}. Veuillez le vérifier.
Né le {date_fr} à {city}, il habite désormais au {address_fr}.
Veuillez régler {price_fr} avant le {date_fr} sur le compte {iban}.
Pour toute question, appelez le {phone_fr} ou écrivez à {email}.
Notre numéro de TVA est {vat_fr}, facture n° {order}.
M. {person}, {age_fr}, a été admis le {date_fr}.
Le passeport n° {passport_fr} a été délivré le {date_fr}.
La commande contient {num} articles pour un total de {price_fr}.
Tél. : {phone_fr}⏎Courriel : {email}⏎Site : {url}
""",
    "es letter": """
Estimado señor {last}: su DNI {es_nif} figura en nuestro registro.
Nació el {date_es} y tiene {age_es}; su teléfono es {phone_es}.
El pago de {price_es} se hará en la cuenta {iban} antes del {date_es}.
Escríbanos a {email} o llame al {phone_es} de lunes a viernes.
La empresa con CIF {vat_es} emitió la factura {order}.
El pasaporte {passport_es} caduca el {date_es}.
Domicilio: {address_es}⏎Teléfono: {phone_es}⏎NIE: {es_nie}
El informe del {date_es} consta de {num} páginas.
""",
    "secrets": """
{pem}
The key file starts like this:⏎{pem}⏎Do not share it.
client_secret: {password}⏎region: eu-west-1⏎retries: 3
aws configure set aws_access_key_id {aws}; region us-east-1
HUGGINGFACE token {hf}, GitHub token {github}, npm token {npm}
Authorization: Bearer {jwt}
curl -u sk_user: -H "X-Api-Key: {stripe}" {url}
GITLAB={gitlab}; SENDGRID={sendgrid}; build {build}
anthropic={anthropic} openai={openai} retries=3
SLACK_BOT={slack} CHANNEL=ops COLOR=green
""",
    "disguised": """
call me at {phone_spread} please
card {card_zero_width} was used in the shop
卡号{card_full_width}，有效期到明年
mail {email_zero_width} for the details
账户{iban}已冻结，请联系{phone_cn}处理
我的邮箱{email}和电话{phone_cn}都换了
IP{ipv4}被封禁了，请检查
IBAN:{iban_dashes};ref:{order}
SSN#{ssn_spaces}, filed jointly
({phone}) <{email}> [{ipv4}] "{card}"
ssn={ssn_nodash}&zip={zip_us}&lang=en
id_number:{cn_id},mobile:{phone_cn}
电话：{phone_full_width}（微信同号）
""",
    "travel": """
Passenger {person}, passport {passport_us}, seat 14C, flight LH{flight}.
Arrival {date_en}, departure {date_en}; two adults, one child ({age_en}).
Visa application of {person}, born on {dob_en} in {city}, {country}.
The taxi (plate {plate_us}) will wait at the hotel; call {phone}.
Hotel address: {address_us}. Check-in after 15:00, {price} per night.
Rental: driver's licence {dl_us}, card on file {card}.
Boarding pass {order}, gate B12, group 3, {date_short}.
""",
}

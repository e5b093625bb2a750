"""Templates of our own, in which slots are filled with made-up people, places and numbers.

Whole groups of templates are held out for validation and test, so that a score says how the tagger does on text that it
has never seen. A group is a register: a clinic's notes are not a bank's letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Groups whose templates training never sees.
VALIDATION_GROUPS = frozenset({"en-travel", "en-police", "zh-school"})
TEST_GROUPS = frozenset(
    {"en-pharmacy", "en-tenancy", "en-press", "en-helpdesk", "zh-clinic", "de-office", "fr-office", "es-office"}
)

_ENGLISH = {
    "en-clinic": """
{person} was admitted on {date} with chest pain and shortness of breath.
Patient {person}, {age} years old, was seen by Dr. {last} at {org}.
Dr. {person} referred {first} to the cardiology unit of {org}.
The patient lives in {city} and works for {org}.
MRN: {mrn}, Name: {person_lf}, DOB: {dob}
Spoke with {first}'s mother, {person}, by phone ({phone}).
Discharged home to {address}; follow-up with Dr. {last} in two weeks.
Pt. {last} denies fever, chills or weight loss. Hx of type 2 diabetes.
{person} (NHS {nhs}) was transferred from {city} General Hospital.
Blood pressure {num}/{num}, heart rate {num}. Seen by Nurse {person}.
History taken from the daughter, {first} {last}, who flew in from {country}.
No known allergies. Next of kin: {person}, {phone}.
I reviewed the films with {person}, MD, of {org}.
Mrs. {last} was started on Metformin 500 mg twice daily.
Mr. {person} reports that the pain began in {month} while he was in {city}.
{person} is a {age}-year-old from {state} with Crohn's disease.
The biopsy was sent to {org} on {date}.
Plan: start Lisinopril, repeat labs, see Dr. {person} on {weekday}.
""",
    "en-bank": """
Dear {person}, your account at {org} ending in {num} has been credited.
Please transfer {amount} to {person}, IBAN {iban}, by {date}.
The cheque was made out to {person} and drawn on {org}.
{person} of {city} opened a savings account with {org} in {month}.
Card {card} in the name of {person} was declined in {city}, {country}.
Our records show that you moved to {address} on {date}.
The beneficiary, {org}, is registered in {country}.
Wire instructions: beneficiary {person}, {address}, SWIFT {num}.
{first}, thanks for banking with {org}. Your new card ends in {num}.
A payment of {amount} from {person} is pending approval by {person}.
Joint account holders: {person} and {person}.
KYC check for {person_lf}, passport {passport}, resident of {country}: passed.
The loan officer, {person}, will meet you at our {city} branch.
Statement for {person}: opening balance {amount}, closing balance {amount}.
""",
    "en-mail": """
Hi {first}, can you send me the slides before {weekday}? Thanks, {first}
Hello {person}, I am {person} from {org}. We met in {city} last {month}.
Best regards, {person} {org} {address} {phone}
From: {person} <{email}> To: {person} <{email}> Subject: Quarterly report
Could you forward this to {first} and {first}? They asked for it yesterday.
On {date}, {person} wrote: I will be in {city} until {weekday}.
Please welcome {person}, who joins us from {org} as Head of Sales.
{first} is out of office; contact {person} at {email} instead.
Dear Mr. {last}, with reference to your letter of {date}, we regret the delay.
Dear Ms. {last}, thank you for your interest in {org}.
See you in {city}! {first}
cc: {person}, {person}, {person}
Let's ask {first} whether the meeting with {org} can move to {weekday}.
Happy birthday, {first}! Greetings from sunny {city}.
As discussed with {person}, the contract between {org} and {org} ends in {month}.
I spoke to someone called {person} this morning, and they promised to call back.
""",
    "en-chat": """
hey its {first_lower} here, call me on {phone}
my name is {person}
my name is {person_lower} and i live in {city_lower}
i'm {first}, nice to meet you
can u ship it to {address}?
who is {person}?
{first}: are you still in {city}?
is {org} hiring in {city} right now?
I moved from {country} to {country} last year
do you know {person_lower} from {org}?
ask {first}, she knows everything about it
@{first} please review the pull request
lol {first} said the same thing yesterday
I work at {org} in {city}, {state}
this is {person} from {org}, how can i help?
u can reach me at {email} or {phone}
""",
    "en-forms": """
Name: {person} Address: {address} Phone: {phone} Email: {email}
First name: {first} Last name: {last} City: {city} Country: {country}
Full name: {person}
Employer: {org}
Place of birth: {city}, {country}
Emergency contact: {person} ({phone})
Applicant: {person_lf}
Home address: {address}
Billing address {address} Shipping address {address}
Contact person {person}, {org}
Signature: {person} Date: {date}
Insured: {person_upper}
Residence: {city}, {state}
Guardian: {person}; relation: mother
{person},{email},{phone},{city}
{last};{first};{dob};{address}
{person}	{org}	{city}	{country}
"name": "{person}", "city": "{city}", "company": "{org}"
{{"customer": {{"first": "{first}", "last": "{last}", "address": "{address}"}}}}
PERSON: {person_upper} LOCATION: {city_upper}
""",
    "en-values": """
{person}
{person_lf}
{person_upper}
{address}
{city}
{city}, {country}
{org}
{first}
{country}
Dr. {person}
{person} and {person}
""",
    "en-hr": """
{person} has worked for {org} as a software engineer since {date}.
Employee {person} (ID {num}) reports to {person} in {city}.
We interviewed {first} {last} for the position in our {city} office.
References: {person}, {org}, {phone}; {person}, {org}, {email}.
{person} studied economics at {org} and graduated in {month}.
Following the complaint by {person}, the manager, {person}, was suspended.
Please relocate {person} and family from {city} to {city} by {date}.
The salary of {person} will rise to {amount} from {month}.
She left {org} to join {org}, where she leads the Paris team.
Candidate: {person}. Current employer: {org}. Notice period: three months.
The team consists of {first}, {first} and {first}.
Sick note for {person}, valid until {date}.
""",
    "en-legal": """
This agreement is made between {org} and {person}, residing at {address}.
The defendant, {person}, was represented by {person} of {org}.
{person} v. {org}, decided on {date}.
The witness {last} stated that she had seen {last} in {city} on {date}.
In the matter of {person}, the court of {city} finds as follows.
{org}, a company incorporated in {country}, having its registered office at {address}.
I, {person}, being of sound mind, leave my house in {city} to my son {first}.
Counsel for the plaintiff, Ms. {last}, objected.
The estate of {person} is administered by {person}, attorney at law.
Power of attorney is granted to {person}, passport {passport}, of {country}.
Judge {last} dismissed the claim of {org} against {org}.
""",
    "en-shop": """
Order {num} for {person} was shipped to {address} on {date}.
{first}, your parcel from {org} will arrive in {city} on {weekday}.
Return label: {person}, {address}
The courier left the package with your neighbour, {person}.
Invoice to: {org}, attn. {person}, {address}
Great service! {first} from the {city} store was very helpful.
Never again. {org} sent me the wrong size, and {first} on the phone was rude.
Gift message: To {first} with love, {first}
Deliver to {person} c/o {org}, {address}.
We no longer ship to {country} or {country}.
""",
    "en-nature": """
The Great Barrier Reef is home to thousands of species.
Please restart the server and clear the cache before you try again.
Monday and Tuesday are public holidays this year.
The Quarterly Business Review will cover Revenue, Margin and Headcount.
Python 3.11 introduced exception groups; Java 21 has virtual threads.
Take one tablet of Ibuprofen after meals, and avoid Grapefruit.
Chapter {num}: How Machines Learn
The Treaty was signed in {num}, and the War ended soon after.
Error {num}: Connection refused by host. See Troubleshooting Guide.
Spring is late this year, and May was colder than April.
Add the flour, the Sugar and two Eggs; bake for {num} minutes.
Windows Update failed with code 0x80070057 on Device Manager.
The Board approved the Budget on {date}.
Terms and Conditions apply. Void where prohibited.
NASDAQ fell by {num} points while Gold and Silver rose.
Patients with Type 2 Diabetes Mellitus should avoid Sugar.
The meeting is in Room {num}, Building B, on the Second Floor.
Will you mark the papers, or shall I hand them to the Dean?
Rose petals, hope, faith and grace were the themes of the Summer Exhibition.
I will, of course, bill the client in {month}; the drew amount was wrong.
The total is {amount} including VAT, payable within {num} days.
Status: OK. Version: {num}. Uptime: {num} days. Last login: {date}.
In {month} the Ministry of Health published new guidelines on Influenza.
Bluetooth and Wi-Fi are disabled in Airplane Mode.
""",
    "en-travel": """
{person} flies from {city} to {city} on {date} with {org}.
Passenger {person_upper} seat {num}A to {city_upper}
We booked the hotel at {address} for {first} and {first}.
Visa application of {person}, citizen of {country}, passport {passport}.
Our guide {first} met us at the airport in {city}, {country}.
The tour leaves {city} on {weekday} and reaches {city} the day after.
Lost luggage: {person}, {address}, call {phone}.
{org} has cancelled all flights to {country}.
""",
    "en-police": """
Officer {last} stopped the vehicle, plate {plate}, near {city}.
The suspect gave his name as {person} and his address as {address}.
Complainant: {person}, born {dob}, resident of {city}.
{person} reported the theft of her purse at {org} on {date}.
Detective {person} interviewed {person} at the station in {city}.
Witness {first} {last}, employed by {org}, saw two men leave.
Wanted: {person}, last seen in {city}, {state}.
""",
    "en-pharmacy": """
Prescription for {person}, {dob}, to be collected at {org}.
{first} {last} picked up the medicine for her father, {person}.
Please call {person} at {phone} when the refill is ready.
Prescriber: Dr {person}, {address}. License {num}.
The pharmacist, {person}, counselled {last} on Warfarin.
Deliver insulin to {person} at {address}, ring twice.
{person}'s insurance with {org} does not cover Ozempic.
Allergic reaction reported by {person} of {city} on {date}.
""",
    "en-tenancy": """
The landlord, {person}, lets the flat at {address} to {person}.
Tenants {person} and {person} moved out of {city} in {month}.
Rent of {amount} is payable to {org} on the first of each month.
Deposit received from {person_lf} for the unit at {address}.
Repairs were done by {org}, {city}, and approved by {first}.
Forwarding address of {person}: {address}.
Our neighbour {first} complained to {org} about the noise.
The keys were handed to {person}, who signed on {date}.
""",
    "en-press": """
{person}, chief executive of {org}, said on {weekday} that profits had risen.
Protesters gathered in {city} as {person} arrived from {country}.
{org} will close its plant in {city}, {state}, with the loss of {num} jobs.
The novel by {person} is set in {city} and {city}.
Talks between {country} and {country} resume in {city} on {date}.
{person} beat {person} in straight sets to reach the final in {city}.
Researchers at {org} in {country}, led by {person}, published the study in {month}.
Born in {city}, {last} moved to {country} as a child.
A spokesperson for {org} declined to comment, and {last} could not be reached.
The mayor of {city}, {person}, opened the bridge.
""",
    "en-helpdesk": """
Ticket {num}: user {person} ({email}) cannot log in from {ip}.
Caller {first} says that the VPN drops whenever she works from {city}.
Assigned to {person}. Reporter: {person}. Priority: High.
Customer {org} reports an outage since {date}; contact {person}, {phone}.
{first} reset the password for {person} and closed the ticket.
Hello, this is {person} calling from {org} in {country}; my licence has expired.
Remote session with {person_lower} at {org}, duration {num} minutes.
Escalated by {first} {last} to {first} in the {city} data centre.
Please delete the account of {person}, {address}, as required by GDPR.
""",
}

_CHINESE = {
    "zh-bank": """
尊敬的{person}先生，您在{org}的账户已到账{amount}。
客户{person}，身份证号{cn_id}，手机{cn_phone}。
请将款项汇至{person}的账户，开户行为{org}。
{person}女士于{date}在{city}办理了贷款。
收款人：{person}，地址：{address}。
本行客户经理{person}将与您联系，电话{cn_phone}。
{org}与{org}签订了合作协议。
账单寄往{address}，{person}收。
""",
    "zh-mail": """
{person}你好，我是{org}的{person}，上周在{city}见过面。
请转告{person}，会议改到星期五。
我叫{person}，住在{address}。
我的名字是{person}，来自{city}。
麻烦把文件寄给{person}，邮箱{email}。
{person}和{person}都不在办公室。
联系人：{person} 电话：{cn_phone}
{person}已经离开{org}，现在在{city}工作。
谢谢{person}老师的指导。
老王说{person}明天到{city}。
Hi {person}，我们在{city}的办公室见，{en_person}也会来。
""",
    "zh-forms": """
姓名：{person} 性别：女 出生日期：{date} 住址：{address}
姓名 {person} 单位 {org} 电话 {cn_phone}
家庭住址：{address}
工作单位：{org}
籍贯：{city}
紧急联系人：{person}，{cn_phone}
收货人：{person}，{cn_phone}，{address}
{person}，{city}，{org}
{person}
{address}
{org}
{city}
""",
    "zh-legal": """
原告{person}，住{address}。
被告{org}，法定代表人{person}。
甲方：{org} 乙方：{person}
证人{person}称其于{date}在{city}见过{person}。
本合同由{person}与{org}于{date}在{city}签订。
委托代理人{person}，{org}律师。
""",
    "zh-nature": """
请重新启动服务器并清除缓存。
今年春天来得晚，五月比四月还冷。
会议室在二楼，请准时参加。
本产品不含糖，饭后服用，每日两次。
人工智能正在改变我们的生活方式。
第{num}章 机器如何学习
系统错误，请稍后再试。
高血压患者应少吃盐，多运动。
总金额为{amount}，含税，请在{num}天内付款。
王者荣耀是一款手机游戏，张力测试已经完成。
李子和黄瓜都很新鲜，周到的服务值得称赞。
""",
    "zh-press": """
{org}董事长{person}周三表示，公司利润有所上升。
{person}在{city}出生，后来移居{country}。
{country}与{country}的会谈将于{date}在{city}举行。
{org}将在{city}新建一座工厂。
{city}市长{person}出席了开幕式。
作家{person}的新书以{city}为背景。
""",
    "zh-school": """
{person}同学今天请假，家长{person}已来电。
班主任{person}带学生去{city}参观。
{person}毕业于{org}，现居{city}。
学生{person}，学号{num}，家住{address}。
""",
    "zh-clinic": """
患者{person}，{age}岁，因胸痛于{date}入院。
主治医生{person}建议转至{org}。
病人家属{person}，联系电话{cn_phone}。
{person}的检查报告已寄往{address}。
护士{person}为{person}测量了血压。
既往史：高血压十年。家住{city}，退休前在{org}工作。
""",
}

_OTHERS = {
    "de-brief": """
Sehr geehrter Herr {last}, Ihr Termin bei {org} in {city} ist am {date}.
{person} wohnt in {address} und arbeitet bei {org}.
Patientin {person}, geboren am {dob}, wurde von Dr. {last} untersucht.
Bitte überweisen Sie {amount} an {person}, IBAN {iban}.
Mit freundlichen Grüßen {person} {org}
Frau {last} ist aus {country} nach {city} gezogen.
""",
    "de-office": """
Herr {person} von {org} hat aus {city} angerufen.
Die Rechnung geht an {person}, {address}.
Name: {person} Anschrift: {address} Telefon: {phone}
Der Vertrag zwischen {org} und {person} endet am {date}.
""",
    "fr-lettre": """
Cher Monsieur {last}, votre rendez-vous chez {org} à {city} est le {date}.
{person} habite {address} et travaille pour {org}.
La patiente {person}, née le {dob}, a été vue par le docteur {last}.
Veuillez agréer, Madame {last}, mes salutations distinguées. {person}
Monsieur {person} a quitté {country} pour {city}.
""",
    "fr-office": """
Mme {person} de {org} a appelé depuis {city}.
La facture est adressée à {person}, {address}.
Nom : {person} Adresse : {address} Tél. : {phone}
Le contrat entre {org} et {person} prend fin le {date}.
""",
    "es-carta": """
Estimado señor {last}, su cita en {org} de {city} es el {date}.
{person} vive en {address} y trabaja en {org}.
La paciente {person}, nacida el {dob}, fue atendida por el doctor {last}.
Don {person} se mudó de {country} a {city}.
""",
    "es-office": """
La señora {person} de {org} llamó desde {city}.
La factura va dirigida a {person}, {address}.
Nombre: {person} Dirección: {address} Teléfono: {phone}
""",
}


def _lines(groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(line for line in text.strip().split("\n") if line) for name, text in groups.items()}


GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(_lines({**_ENGLISH, **_CHINESE, **_OTHERS}))

"""Sentences by a small grammar: so many contexts that the tagger learns what stands around an entity, and no sentence by heart."""

from __future__ import annotations

import pydoc_data.topics
import random
import re
from collections import Counter
from functools import lru_cache

_VERBS = """met called asked saw visited joined left sued hired treated examined thanked helped owes told informed emailed phoned married
divorced taught trained promoted dismissed arrested questioned interviewed replaced succeeded nominated defeated congratulated accused
defended represented paid reimbursed invoiced billed contacted reached warned advised assisted escorted accompanied introduced recommended
referred transferred discharged admitted diagnosed operated on vaccinated counselled supervised managed audited inspected photographed
recognised remembered forgot admired criticised praised quoted mentioned cited consulted notified registered enrolled rejected accepted
approved endorsed supports trusts likes misses knows follows wrote to spoke to spoke with argued with lives with works with works for
reports to moved in with travelled with waited for looked after applied to donated to complained about complained to heard from
borrowed from bought from sold to signed with negotiated with competes with merged with belongs to studied under plays for""".replace(
    "\n", " "
)
_TWO_WORDS = ("operated on", "wrote to", "spoke to", "spoke with", "argued with", "lives with", "works with", "works for", "reports to", "moved in with", "travelled with", "waited for", "looked after", "applied to", "donated to", "complained about", "complained to", "heard from", "borrowed from", "bought from", "sold to", "signed with", "negotiated with", "competes with", "merged with", "belongs to", "studied under", "plays for")  # fmt: skip
_ROLES = """patient customer client witness passenger tenant landlord officer detective nurse doctor surgeon pharmacist teacher pupil student
professor driver courier neighbour plaintiff defendant judge lawyer attorney accountant manager director engineer secretary minister
president senator mayor bishop actor author singer painter coach player captain pilot guide chef waiter cashier clerk agent broker
investor founder chairman spokesman spokeswoman spokesperson reporter editor caller user applicant candidate employee contractor tutor
midwife therapist dentist physician specialist researcher scientist analyst consultant auditor inspector sergeant colonel cousin uncle
aunt brother sister father mother son daughter husband wife friend colleague roommate victim suspect caregiver guardian resident guest
visitor member volunteer donor beneficiary holder signatory recipient sender buyer seller owner""".split()  # fmt: skip
_TITLES = (
    "Mr.",
    "Mrs.",
    "Ms.",
    "Dr.",
    "Mr",
    "Mrs",
    "Ms",
    "Dr",
    "Prof.",
    "Professor",
    "Sir",
    "Miss",
    "Sgt.",
    "Capt.",
    "Judge",
    "Rev.",
    "Officer",
    "Nurse",
    "Senator",
)
_PLACES = """in near from to outside around towards through across via leaving reaching into within north-of south-of based-in born-in
raised-in living-in back-in arriving-from shipped-to stationed-in buried-in""".split()  # fmt: skip
_AT_FIRMS = ("at", "by", "with", "for", "from", "of", "to", "via", "through", "against", "employed by", "insured with", "hired by", "owned by", "working at", "a subsidiary of", "formerly of", "on behalf of", "a customer of", "enrolled at", "graduated from", "treated at")  # fmt: skip
_AT_PEOPLE = ("with", "by", "for", "from", "to", "about", "against", "and", "via", "on behalf of", "together with", "instead of", "accompanied by", "assisted by", "next to", "in the name of", "signed by", "written by", "according to", "reported by", "approved by", "assigned to")  # fmt: skip
_AT_ADDRESSES = ("at", "of", "residing at", "living at", "moved to", "delivered to", "shipped to", "located at", "registered at", "near", "from", "office at", "sent to", "picked up at", "parked at", "the house at", "the flat at", "address:", "who lives at")  # fmt: skip
_FIRM_VERBS = """announced acquired sued hired closed opened launched cancelled reported denied confirmed shipped lost merged-with expects
plans approved rejected fined insures operates manufactures distributes recalled delayed published declined relocated outsourced
terminated renewed replaced offered sent charged owes refused provides sells supports employs sponsors owns""".split()  # fmt: skip
_STARTS = """Yesterday Today Meanwhile However Later Recently Unfortunately Finally Also Then Afterwards According Currently Previously
Reportedly Please Note Reminder Update Urgent Regarding Re Subject Summary Comment Question Answer Attention Priority Status Reason
Result Remark Notice Warning Customer Witness Passenger Ticket Order Invoice Visa Report Case File Claim Policy Prescription License
Deposit Rent Repairs Insurance Delivery Payment Refund Contract Meeting Call Email Letter Interview Visit Appointment Treatment""".split()  # fmt: skip
_NAME_LABELS = """Name Full-name Customer Client Patient Contact Contact-person Applicant Employee Manager Author Sender Recipient Attn
Signed Signature Reporter Assigned-to Assignee Owner Guardian Next-of-kin Emergency-contact Physician Prescriber Doctor Nurse Insured
Cardholder Account-holder Beneficiary Payee Tenant Landlord Witness Passenger Guest Driver Student Teacher User Display-name Requested-by
Approved-by Reviewed-by Prepared-by From To Cc Caller Spouse Father Mother Child Lawyer name person full_name customer_name Approver
Supervisor Host Speaker Interviewer Referred-by""".split()  # fmt: skip
_FIRM_LABELS = """Company Employer Organisation Organization Firm Bank Hospital Clinic School University Insurer Supplier Vendor Client Agency
Institution Department-of Carrier Merchant Partner Publisher Manufacturer company employer org account_name Contractor Payee Sponsor""".split()  # fmt: skip
_PLACE_LABELS = """City Town Country State Place-of-birth Birthplace Nationality-country Location Destination Origin Venue Branch Office
Region Province city country location From To Departure Arrival Hometown Port Site""".split()  # fmt: skip
_ADDRESS_LABELS = """Address Home-address Residence Street Street-address Billing-address Shipping-address Delivery-address Mailing-address
Deliver-to Ship-to address street Registered-office Forwarding-address Property Premises Lives-at Anschrift Adresse""".split()  # fmt: skip

_ASK = ("Call", "Ask", "Tell", "Email", "Contact", "Text", "Meet", "Remind", "Thank", "Visit", "Invite", "Please call", "Please ask", "Please tell", "Can you call", "Could you ask", "Did", "Does", "Is", "Has", "Was", "Who is", "Where is", "When did", "Why did", "How is", "Let", "Give", "Send", "Show", "Pay", "Wake", "See", "Find", "Add", "Remove", "Notify", "Page", "Cc", "Forward this to", "Speak to", "Talk to", "Say hello to", "I know", "We met", "They saw", "He told", "She asked", "Nobody knows", "Everybody likes")  # fmt: skip
_JOBS = ("HR Manager", "Senior Engineer", "Head of Sales", "Chief Executive Officer", "CEO", "CTO", "Account Manager", "Registered Nurse", "MD", "Attorney at Law", "Project Lead", "Sales Associate", "Office Manager", "Data Scientist", "Consultant Cardiologist", "Vice President", "Managing Director", "Customer Support", "Team Lead", "Receptionist", "Product Owner", "General Practitioner")  # fmt: skip
_GREETINGS = ("Hi", "Hello", "Dear", "Hey", "Good morning", "Good afternoon", "Thanks", "Thank you", "Cheers", "Best", "Best wishes", "Kind regards", "Regards", "Sincerely", "Yours truly", "Warm regards", "All the best", "Take care", "Respectfully", "Love", "Yours sincerely", "Many thanks")  # fmt: skip
_CAPITALS = ("Python", "Java", "Excel", "Windows", "Linux", "Android", "iPhone", "iPad", "Bluetooth", "Wi-Fi", "Ibuprofen", "Metformin", "Aspirin", "Ozempic", "Insulin", "Warfarin", "Paracetamol", "Christmas", "Easter", "Ramadan", "Monday", "Tuesday", "Friday", "Sunday", "March", "April", "June", "English", "French", "German", "Chinese", "Spanish", "Internet", "PDF", "VAT", "PIN", "GPS", "MRI", "COVID-19", "Diabetes", "Parkinson's disease", "Alzheimer's disease", "Invoice", "Budget", "Priority", "High", "Urgent", "Section", "Room", "Floor", "Gate", "Seat", "Chapter", "Table", "Figure", "SQL", "JSON", "USB", "Kubernetes", "Docker", "Chrome", "Firefox", "Zoom", "Word", "Outlook")  # fmt: skip
_ILLNESS = "pneumonia diabetes asthma migraine hypertension influenza bronchitis arthritis anaemia eczema cancer stroke fracture concussion depression anxiety infection allergy".split()

_ZH = {
    "verbs": "见到 联系 通知 询问 感谢 帮助 治疗 检查 起诉 聘请 采访 访问 认识 邀请 介绍 推荐 代表 批评 表扬 支持 陪同 接待 教过 等待 提醒 投诉 拜访 看望 转告 委托 授权 指控 逮捕 护送 赔偿 举报 辅导 照顾".split(),
    "roles": "患者 病人 医生 护士 主任 经理 老师 同学 学生 家长 班主任 校长 律师 法官 原告 被告 证人 客户 顾客 司机 警官 记者 作家 歌手 演员 教授 工程师 董事长 总裁 市长 主席 秘书 会计 房东 租客 邻居 同事 朋友 父亲 母亲 儿子 女儿 丈夫 妻子 姐姐 弟弟 负责人 法定代表人 代理人 收货人 寄件人 申请人 联系人 家属 药师 教练 队长".split(),
    "tails": "先生 女士 小姐 老师 同学 教授 医生 经理 主任 律师".split(),
    "acts": "今天请假 已经到达 明天出差 刚刚离开 没有回复 正在开会 提交了申请 签署了合同 支付了费用 办理了手续 完成了手术 参加了会议 申请退款 报名参加比赛 感到胸痛 病情稳定 已来电 出席了仪式 表示同意 拒绝评论 毕业多年 获得奖学金 负责此事 住院观察".split(),
    "labels": "姓名 联系人 收件人 患者 医生 客户 申请人 签名 负责人 经办人 用户 持卡人 户主 监护人 家长 学生 教师 乘客".split(),
    "firms": "单位 公司 工作单位 开户行 医院 学校 供应商 甲方 乙方 保险公司 雇主".split(),
    "places": "籍贯 城市 出生地 目的地 地区 出发地 国家 所在地".split(),
    "addresses": "地址 住址 家庭住址 收货地址 通讯地址 注册地址 现住址 送货地址".split(),
    "near": "在 从 到 去 来自 位于 前往 飞往 抵达 离开 居住在 出生于 现居 移居 途经".split(),
    "at": "在 于 由 与 给 向 被 跟 任职于 就职于 毕业于 供职于 来自 离开 加入 投保于 转至".split(),
    "fill": "昨天 今天 上周 目前 因此 但是 随后 据悉 另外 请注意 根据记录 经核实 下午 早上 此前 为此".split(),
}  # fmt: skip
_FOREIGN = {
    "de": (
        "traf besuchte rief verklagte behandelte fragte heiratete kennt sah informierte begleitete vertritt lobte untersuchte empfahl bezahlte".split(),
        "Herr Frau Dr. Patient Patientin Kunde Kundin Zeuge Mieter Nachbar Lehrerin Professor Geschäftsführer".split(),
        "in aus nach bei zwischen".split(),
        ("bei", "von", "für", "mit", "gegen"),
        ("wohnhaft", "Adresse:", "Anschrift:", "lebt in der", "Lieferung an", "geht an"),
        "Der Die Das Ein Eine Gestern Heute Bitte Vertrag Rechnung Termin Kunde Anruf Brief Versicherung Zahlung Wohnung Schreiben".split(),
        "und am die der das nicht mit ist wurde hat den Termin Vertrag Unterlagen Rechnung Behandlung morgen gestern".split(),
    ),
    "fr": (
        "rencontre appelle visite poursuit soigne connaît accompagne informe représente remercie recommande examine épouse paie attend contacte".split(),
        "Monsieur Madame Mme M. Docteur patient patiente client cliente témoin locataire voisin professeur directrice".split(),
        ("à", "de", "depuis", "vers", "en", "près de"),
        ("chez", "de", "pour", "avec", "contre", "par"),
        ("demeurant", "adresse :", "habite", "livré au", "domicilié au", "envoyé au"),
        "Le La Les Un Une Hier Veuillez Contrat Facture Client Lettre Appel Assurance Livraison Paiement Rendez-vous".split(),
        "et le la les est a été pas avec pour contrat facture dossier demain hier visite traitement adressée".split(),
    ),
    "es": (
        "llamó visitó conoce demandó atendió acompañó informó representa recomendó examinó espera contactó pagó contrató vio".split(),
        "Señor Señora Sr. Sra. Don Doña Dr. paciente cliente testigo vecino profesora directora".split(),
        ("en", "de", "desde", "a", "hacia", "cerca de"),
        ("en", "de", "para", "con", "contra", "por"),
        ("residente en", "dirección:", "vive en", "enviado a", "domicilio:", "entregado en"),
        "El La Los Un Una Ayer Hoy Por Contrato Factura Cliente Carta Llamada Seguro Entrega Pago Cita".split(),
        "y el la los es fue no con para contrato factura cita mañana ayer visita tratamiento dirigida".split(),
    ),
}  # fmt: skip


def sentence(language: str, chance: random.Random) -> str:
    """Return one template of the grammar."""
    if language == "zh":
        return _chinese(chance)
    if language in _FOREIGN:
        return _foreign(language, chance)
    kinds = (
        _clause,
        _clause,
        _clause,
        _firm_clause,
        _label,
        _label,
        _list,
        _noise,
        _listing,
        _asking,
        _greeting,
        _plain,
    )
    return chance.choice(kinds)(chance)


def _asking(chance: random.Random) -> str:
    return (
        f"{chance.choice(_ASK)} {_person(chance)} {_phrase(chance)} {chance.choice(('', _phrase(chance)))}".strip()
        + chance.choice((".", "?", "!", ""))
    )


def _greeting(chance: random.Random) -> str:
    word, name = (
        chance.choice(_GREETINGS),
        chance.choice(("{first}", "{person}", "Mr. {last}", "Dr. {last}", "{first}")),
    )
    form = chance.random()
    if form < 0.35:
        return f"{word}{chance.choice((',', ''))} {name}{chance.choice((',', '!', '.', ''))} {_words(chance, 2, 6)}."
    if form < 0.75:
        lines = [f"{word},", chance.choice(("{person}", "{first}"))]
        lines += [
            part for part in (chance.choice(_JOBS), "{org}", "{address}", "{phone}", "{city}") if chance.random() < 0.35
        ]
        return chance.choice(("\n", "\n", " ")).join(lines)
    start = chance.choice(
        ("I'm", "I am", "This is", "it's", "My name is", "my name's", "You are speaking to", "Here is", "We are")
    )
    return f"{start} {chance.choice(('{first}', '{person}'))}{chance.choice(('', ' from {org}', ' in {city}', ', ' + chance.choice(_JOBS), ' ' + _phrase(chance)))}."


def _plain(chance: random.Random) -> str:
    """Words without anybody in them, some with capitals."""
    words = [
        chance.choice(
            (
                chance.choice(vocabulary()),
                chance.choice(vocabulary()),
                chance.choice(_CAPITALS),
                chance.choice(_ILLNESS),
            )
        )
        for _ in range(chance.randint(2, 14))
    ]
    text = " ".join(words)
    return (text[:1].upper() + text[1:] if chance.random() < 0.6 else text) + chance.choice((".", "", "?"))


def _person(chance: random.Random) -> str:
    form = chance.random()
    if form < 0.40:
        return "{person}"
    if form < 0.50:
        return f"{chance.choice(_TITLES)} {chance.choice(('{last}', '{person}', '{last}'))}"
    if form < 0.62:
        return f"{chance.choice(('the ', 'our ', 'her ', 'his ', 'my ', ''))}{_role(chance)} {chance.choice(('{person}', '{first}', '{last}'))}"
    if form < 0.72:
        return f"{chance.choice(('the ', 'our ', 'a ', 'his '))}{_role(chance)}, {{person}},"
    if form < 0.86:
        return "{first}"
    if form < 0.92:
        return "{last}"
    return f"{chance.choice(('{first}', '{person}', '{last}'))} and {chance.choice(('{first}', '{person}', '{last}'))}"


def _role(chance: random.Random) -> str:
    role = chance.choice(_ROLES)
    return role.capitalize() if chance.random() < 0.3 else role


def _verb(chance: random.Random) -> str:
    return chance.choice(_TWO_WORDS) if chance.random() < 0.3 else chance.choice(_VERBS.split())


def _words(chance: random.Random, least: int = 1, most: int = 4) -> str:
    return " ".join(chance.choice(vocabulary()) for _ in range(chance.randint(least, most)))


def _phrase(chance: random.Random) -> str:
    form = chance.random()
    if form < 0.28:
        place = chance.choice(
            ("{city}", "{city}", "{country}", "{state}", "{city}, {country}", "{city}, {state}", "{city} and {city}")
        )
        return f"{chance.choice(_PLACES).replace('-', ' ')} {place}"
    if form < 0.48:
        return f"{chance.choice(_AT_FIRMS)} {{org}}"
    if form < 0.66:
        return f"{chance.choice(_AT_PEOPLE)} {_person(chance)}"
    if form < 0.76:
        return f"{chance.choice((*_AT_ADDRESSES, _person(chance) + ',', '{org},'))} {{address}}"
    if form < 0.84:
        return chance.choice(
            (
                "on {date}",
                "in {month}",
                "on {weekday}",
                "since {date}",
                "until {weekday}",
                "for {amount}",
                "({num})",
                "at {num}",
            )
        )
    return chance.choice(
        ("about the ", "with a ", "after the ", "because of the ", "during the ", "for the ", "without ", "and the ")
    ) + _words(chance, 1, 3)


def _clause(chance: random.Random) -> str:
    if chance.random() < 0.15:
        return f"{_words(chance, 1, 1).capitalize()} {_words(chance, 0, 2)} {_phrase(chance)} {_words(chance, 1, 3)} {_phrase(chance)}.".replace(
            "  ", " "
        )
    start = f"{chance.choice(_STARTS)}{chance.choice((',', '', ':', ' the', ''))} " if chance.random() < 0.3 else ""
    subject = _person(chance)
    thing = chance.choice((_person, _person, lambda c: "{org}", lambda c: f"the {_words(c, 1, 3)}", lambda c: "{org}"))(
        chance
    )
    verb = _verb(chance)
    phrases = " ".join(_phrase(chance) for _ in range(chance.randint(0, 3)))
    text = f"{start}{subject} {verb} {thing} {phrases}".strip()
    if chance.random() < 0.12:
        text = text.replace(" " + verb + " ", "'s " + _words(chance, 1, 2) + " " + verb + " ", 1)
    return _first_upper(text) + chance.choice((".", ".", ".", "", "!", "?", ";"))


def _firm_clause(chance: random.Random) -> str:
    subject = chance.choice(
        (
            "{org}",
            "{org}",
            "The {org}",
            "{org} and {org}",
            "{org} of {city}",
            "{org} ({city})",
            "Our client {org}",
            "Customer {org}",
            "A spokesperson for {org}",
            "The {num} employees of {org}",
        )
    )
    verb = chance.choice(_FIRM_VERBS).replace("-", " ")
    what = chance.choice(
        (
            "{org}",
            "the {words}",
            "its {words}",
            "{words}",
            "{person}",
            "to {words}",
            "that the {words} {words}",
            "its plant",
            "all flights",
        )
    )
    what = what.replace("{words}", "W", 2).replace("W", _words(chance, 1, 3))
    return f"{subject} {verb} {what} {' '.join(_phrase(chance) for _ in range(chance.randint(0, 2)))}".strip() + "."


def _label(chance: random.Random) -> str:
    parts = []
    for _ in range(chance.choice((1, 1, 2, 3, 4))):
        form = chance.random()
        if form < 0.35:
            label, value = (
                chance.choice(_NAME_LABELS),
                chance.choice(("{person}", "{person}", "{person_lf}", "{first}", "{person_upper}", "Dr. {person}")),
            )
        elif form < 0.52:
            label, value = chance.choice(_FIRM_LABELS), "{org}"
        elif form < 0.66:
            label, value = (
                chance.choice(_PLACE_LABELS),
                chance.choice(("{city}", "{city}, {country}", "{country}", "{state}")),
            )
        elif form < 0.80:
            label, value = chance.choice(_ADDRESS_LABELS), "{address}"
        else:
            label = _words(chance, 1, 2).capitalize()
            value = chance.choice(
                (
                    "{num}",
                    "{date}",
                    "{phone}",
                    "{email}",
                    _words(chance, 1, 3).capitalize(),
                    "{amount}",
                    "{plate}",
                    _words(chance, 1, 1),
                )
            )
        parts.append(f"{label.replace('-', ' ')}{chance.choice((': ', ': ', ' ', ' - ', '=', ':'))}{value}")
    return chance.choice((" ", ", ", "; ", " | ", "\n", "  ")).join(parts)


def _list(chance: random.Random) -> str:
    slots = [
        "{person}",
        "{first}",
        "{last}",
        "{org}",
        "{city}",
        "{country}",
        "{address}",
        "{email}",
        "{phone}",
        "{date}",
        "{num}",
        "{person_lf}",
    ]
    return chance.choice((",", ", ", ";", "\t", " | ", "\n")).join(
        chance.choice(slots) for _ in range(chance.randint(2, 6))
    )


def _listing(chance: random.Random) -> str:
    """Capitals that are no entities: headings, products, drugs, functions."""
    words = [chance.choice(vocabulary()).capitalize() for _ in range(chance.randint(2, 6))]
    return chance.choice((" ", ", ", " and ", " & ")).join(words) + chance.choice(
        ("", ".", ":", " {num}", f" for {_person(chance)}", " at {org}")
    )


def _noise(chance: random.Random) -> str:
    text = chance.choice(lines())
    return text.replace("{", "{{").replace("}", "}}")


def _chinese(chance: random.Random) -> str:
    z, form = _ZH, chance.random()
    who = chance.choice(
        ("{person}", "{person}", f"{chance.choice(z['roles'])}{{person}}", f"{{person}}{chance.choice(z['tails'])}")
    )
    start = chance.choice((*z["fill"], "", "", "", "")) + chance.choice(("，", "")) if chance.random() < 0.4 else ""
    where = f"{chance.choice(z['near'])}{chance.choice(('{city}', '{city}', '{country}'))}"
    firm = f"{chance.choice(z['at'])}{{org}}"
    home = f"{chance.choice(('住', '家住', '住在', '寄到', '送到', '地址为', '位于'))}{{address}}"
    if form < 0.25:
        return (
            f"{start}{who}{chance.choice((where, firm, ''))}{chance.choice(z['acts'])}{chance.choice(('。', '，', ''))}"
        )
    if form < 0.45:
        other = chance.choice(("{person}", f"{chance.choice(z['roles'])}{{person}}", "{org}"))
        return f"{start}{who}{chance.choice((where, firm, '', ''))}{chance.choice(z['verbs'])}{chance.choice(('了', ''))}{other}。"
    if form < 0.60:
        return f"{who}{chance.choice(('，', ''))}{chance.choice((where, firm, home))}{chance.choice(('，', '。', '工作，', '看病。'))}{chance.choice((home, firm, where, ''))}。"
    if form < 0.70:
        return f"{{org}}{chance.choice(('于{date}', '', '将', '已'))}{chance.choice(z['near'])}{{city}}{chance.choice(('设立分部', '开会', '招聘', '投资', '举行活动'))}。"
    if form < 0.92:
        pairs = [
            (z["labels"], "{person}"),
            (z["firms"], "{org}"),
            (z["places"], "{city}"),
            (z["addresses"], "{address}"),
        ]
        chosen = [chance.choice(pairs) for _ in range(chance.randint(1, 4))]
        return chance.choice((" ", "，", "\n", "；")).join(
            f"{chance.choice(labels)}{chance.choice(('：', ':', ' '))}{value}" for labels, value in chosen
        )
    return chance.choice(z["fill"]) + chance.choice(z["acts"]) + "，" + chance.choice(z["acts"]) + "。"


def _foreign(language: str, chance: random.Random) -> str:
    verbs, roles, near, firms, homes, starts, words = _FOREIGN[language]
    who = chance.choice(
        ("{person}", "{person}", f"{chance.choice(roles)} {{last}}", f"{chance.choice(roles)} {{person}}", "{first}")
    )
    filler = " ".join(chance.choice(words) for _ in range(chance.randint(1, 3)))
    start = f"{chance.choice(starts)} {filler} " if chance.random() < 0.5 else ""
    phrases = [
        chance.choice(
            (
                f"{chance.choice(near)} {{city}}",
                f"{chance.choice(firms)} {{org}}",
                f"{chance.choice((*homes, '{person},', '{org},'))} {{address}}",
                f"{chance.choice(firms)} {{person}}",
                filler,
            )
        )
        for _ in range(chance.randint(0, 3))
    ]
    other = chance.choice(("{person}", "{org}", filler, ""))
    return " ".join(
        part for part in (start.strip(), who, chance.choice(verbs), other, *phrases) if part
    ) + chance.choice((".", ".", ""))


def _first_upper(text: str) -> str:
    return text if text[:1] == "{" else text[:1].upper() + text[1:]


@lru_cache
def vocabulary() -> tuple[str, ...]:
    """Return English words in lower case, from the text that Python ships about itself, and of everyday life."""
    counts = Counter(re.findall(r"\b[a-z]{3,12}\b", " ".join(pydoc_data.topics.topics.values())))
    daily = "flat house car keys money bill dinner garden kitchen medicine insulin tablets blood pressure fever cough surgery recovery insurance claim deposit rent noise water heating school exam homework holiday flight luggage ticket hotel booking loan mortgage interest salary bonus contract lawsuit verdict appeal theft accident police report laptop password printer network outage backup upgrade invoice refund parcel delivery discount warranty meeting slides budget plan deadline project interview position team match goal race novel film concert painting museum election vote strike protest bridge plant factory market price profit loss shares".split()
    return tuple(word for word, count in counts.items() if count >= 4) + tuple(daily) * 4


@lru_cache
def lines() -> tuple[str, ...]:
    """Return English sentences without anybody in them."""
    text = re.sub(r"[*`_\\\"]+", "", " ".join(pydoc_data.topics.topics.values()))
    found = re.findall(r"[A-Z][a-z][^.!?\n{}]{20,140}[.!?]", re.sub(r"\s*\n\s*", " ", text))
    return tuple(
        line
        for line in found
        if not re.search(
            r"Guido|Monty|Python Software|Eric|Ericsson|Spam|Lancelot|America|Unix|>>>|John|Jack|Fred|Jane", line
        )
    )

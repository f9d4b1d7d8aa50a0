"""Names, places, departments and titles of the people an identity provider knows.

Native spelling first; where the script isn't Latin, the Latin form that becomes the sign-in name
follows after a bar.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One office: how people there are named, addressed and called."""

    locale: str
    country: str
    city: str
    region: str
    postal_code: str
    street: str
    dialling: str
    given_names: tuple[str, ...]
    family_names: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


PLACES: tuple[Place, ...] = (
    Place(
        "en-US", "US", "Seattle", "WA", "98101", "Pine Street", "+1 206 555",
        _names("Barbara, Joy, Marcus, Denise, Tyrell, Grace, Wyatt, Imani, Noah, Mary Jo"),
        _names("Jensen, Young, O'Neal, Washington, Smith-Carter, Delgado, Reed, van Buren"),
    ),
    Place(
        "de-DE", "DE", "München", "Bayern", "80331", "Sendlinger Straße", "+49 89 555",
        _names("Jürgen, Käthe, Anna, Björn, Söhnke, Lieselotte, Maximilian, Friederike"),
        _names("Müller, Groß, Schäfer, von der Heide, Weiß, Böhm, Köhler, Lüdenscheidt"),
    ),
    Place(
        "fr-FR", "FR", "Orléans", "Centre-Val de Loire", "45000", "rue de la République",
        "+33 2 55 50",
        _names("Zoë, François, Anaïs, Théo, Maël, Jean-Baptiste, Éléonore, Gaël"),
        _names("D'Angelo, Lefèvre, Nuñez-Petit, Garçon, L'Hôte, Bénard, Œuvrard, Noël"),
    ),
    Place(
        "pl-PL", "PL", "Łódź", "łódzkie", "90-001", "ulica Piotrkowska", "+48 42 555",
        _names("Łukasz, Małgorzata, Zbigniew, Żaneta, Grażyna, Świętosława, Michał"),
        _names("Wiśniewski, Dąbrowska, Kowalczyk, Łęcka, Żółć, Brzęczyszczykiewicz"),
    ),
    Place(
        "en-IE", "IE", "Dún Laoghaire", "Dublin", "A96 K7X2", "Marine Road", "+353 1 555",
        _names("Seán, Aoife, Niamh, Órla, Cillian, Siobhán, Pádraig, Róisín"),
        _names("O'Brien, O'Sullivan, Ní Dhomhnaill, MacCárthaigh, D'Arcy, Ó Briain"),
    ),
    Place(
        "da-DK", "DK", "Ærøskøbing", "Syddanmark", "5970", "Søndergade", "+45 62 55",
        _names("Søren, Åse, Bjørn, Jørgen, Mærsk, Kirsten, Øyvind, Lærke"),
        _names("Sørensen, Kjær, Østergård, Møller, Ångström, Højgaard"),
    ),
    Place(
        "ja-JP", "JP", "東京", "東京都", "100-0001", "千代田 1-1", "+81 3 5550",
        _names("太郎|taro, 花子|hanako, 翔太|shota, 美咲|misaki, 健一|kenichi, さくら|sakura"),
        _names("山田|yamada, 佐藤|sato, 髙橋|takahashi, 渡邉|watanabe, 𠮷野|yoshino"),
    ),
    Place(
        "zh-CN", "CN", "上海", "上海市", "200000", "南京东路", "+86 21 5550",
        _names("伟|wei, 秀英|xiuying, 芳|fang, 子涵|zihan, 浩然|haoran, 梓萱|zixuan"),
        _names("王|wang, 李|li, 张|zhang, 欧阳|ouyang, 司马|sima, 诸葛|zhuge"),
    ),
    Place(
        "ar-EG", "EG", "القاهرة", "القاهرة", "11511", "شارع طلعت حرب", "+20 2 5550",
        _names("محمد|mohamed, فاطمة|fatma, يوسف|youssef, مريم|mariam, أحمد|ahmed, نور|nour"),
        _names("حسن|hassan, عبد الله|abdallah, الشريف|elsherif, منصور|mansour, إبراهيم|ibrahim"),
    ),
    Place(
        "el-GR", "GR", "Θεσσαλονίκη", "Μακεδονία", "546 24", "Τσιμισκή", "+30 231 055",
        _names("Αλέξανδρος|alexandros, Ελένη|eleni, Γιώργος|giorgos, Σοφία|sofia, Νίκος|nikos"),
        _names("Παπαδόπουλος|papadopoulos, Ιωάννου|ioannou, Δημητρίου|dimitriou, Ράλλης|rallis"),
    ),
    Place(
        "vi-VN", "VN", "Đà Nẵng", "Đà Nẵng", "550000", "Bạch Đằng", "+84 236 555",
        _names("Thị Ánh, Văn Đức, Ngọc Bích, Quốc Huy, Thùy Dương, Hữu Phước"),
        _names("Nguyễn, Trần, Đặng, Phạm, Võ, Huỳnh"),
    ),
    Place(
        "pt-BR", "BR", "São Paulo", "SP", "01310-100", "Avenida Paulista", "+55 11 5550",
        _names("João, Conceição, Luís, Mônica, Antônio, Thaís, Maria de Fátima, Cauê"),
        _names("da Silva, Gonçalves, Araújo, Magalhães, dos Anjos, Assunção"),
    ),
    Place(
        "hi-IN", "IN", "बेंगलुरु", "कर्नाटक", "560001", "एम जी रोड", "+91 80 5550",
        _names("आरव|aarav, दीया|diya, अर्जुन|arjun, अनन्या|ananya, कृष्ण|krishna, प्रिया|priya"),
        _names("शर्मा|sharma, अय्यर|iyer, पटेल|patel, चौधरी|chaudhary, राव|rao"),
    ),
    Place(
        "tr-TR", "TR", "İstanbul", "İstanbul", "34000", "İstiklal Caddesi", "+90 212 555",
        _names("İbrahim, I\u015f\u0131l, Çağla, Ömer, Şebnem, Ayşegül, Oğuz"),
        _names("Y\u0131lmaz, Öztürk, Çelik, Şahin, Ağaoğlu, K\u0131l\u0131ç"),
    ),
)  # fmt: skip

DEPARTMENTS: dict[str, tuple[str, ...]] = {
    "Engineering": _names("Software Engineer, Staff Engineer, Site Reliability Engineer"),
    "Sales": _names("Account Executive, Sales Manager, Inside Sales Representative"),
    "Finance": _names("Accountant, Controller, Payroll Specialist"),
    "People & Culture": _names("Recruiter, HR Business Partner, Learning Designer"),
    "Customer Support": _names("Support Engineer, Support Lead, Customer Success Manager"),
    "Research, Data": _names("Data Scientist, Research Fellow, Statistician"),
    "Legal": _names("Counsel, Paralegal, Privacy Officer"),
    "Tour Operations": _names("Tour Guide, Dispatcher, Operations Planner"),
}

PROJECTS: tuple[str, ...] = _names(
    'Kestrel, Übermorgen, Polaris, "Quoted", Café 24/7, Anvil, Föhn, 北斗, Back\\slash, Larch, R&D'
)

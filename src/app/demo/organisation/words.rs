//! Words in the languages of the organisation's customers. Plain tables, no logic.
//!
//! Every script that a database may get wrong is here on purpose: umlauts, Polish and Greek
//! letters, Japanese, Arabic from right to left, letters built of two characters, emoji built of
//! several. Each list has at least one entry.

/// How the people and firms of one country are called, and where they are.
pub(super) struct Culture {
    /// Name of the country, in its language.
    pub(super) country: &'static str,
    /// Code for telephone numbers.
    pub(super) telephone: &'static str,
    /// End of a web address.
    pub(super) domain: &'static str,
    /// Units of its currency to the euro, in 1/10,000.
    pub(super) rate: i64,
    /// First names.
    pub(super) first: &'static [&'static str],
    /// Last names.
    pub(super) last: &'static [&'static str],
    /// Beginnings of a firm's name.
    pub(super) firm: &'static [&'static str],
    /// What firms do.
    pub(super) trade: &'static [&'static str],
    /// Legal forms.
    pub(super) form: &'static [&'static str],
    /// Cities.
    pub(super) city: &'static [City],
    /// Streets.
    pub(super) street: &'static [&'static str],
    /// Positions of people.
    pub(super) post: &'static [&'static str],
    /// Sentences for notes.
    pub(super) sentence: &'static [&'static str],
}

/// A city, its region, the beginning of its postal codes, and where it lies in 1/100,000 degree.
pub(super) struct City {
    /// Name.
    pub(super) name: &'static str,
    /// Region.
    pub(super) region: &'static str,
    /// First digits of its postal codes.
    pub(super) postal: &'static str,
    /// Latitude.
    pub(super) latitude: i64,
    /// Longitude.
    pub(super) longitude: i64,
}

const fn city(
    name: &'static str,
    region: &'static str,
    postal: &'static str,
    latitude: i64,
    longitude: i64,
) -> City {
    City { name, region, postal, latitude, longitude }
}

/// The countries.
pub(super) const CULTURES: [Culture; 7] =
    [GERMAN, POLISH, GREEK, JAPANESE, FRENCH, ENGLISH, ARABIC];

const GERMAN: Culture = Culture {
    country: "Deutschland",
    telephone: "+49",
    domain: "de",
    rate: 10_000,
    first: &["Jürgen", "Käthe", "Björn", "Annegret", "Götz", "Sören", "Ulrike", "Mareike"],
    last: &["Müller", "Weiß", "Schröder", "Krüger", "von der Heide", "Groß", "Jäger", "Böhm"],
    firm: &["Nordlicht", "Grünwald", "Süderelbe", "Bergmann", "Heuschrecke", "Löwenzahn"],
    trade: &["Maschinenbau", "Großhandel", "Bäckereien", "Windenergie", "Prüftechnik", "Möbel"],
    form: &["GmbH", "AG", "GmbH & Co. KG", "e. G."],
    city: &[
        city("München", "Bayern", "80", 4_813_743, 1_157_549),
        city("Köln", "Nordrhein-Westfalen", "50", 5_093_753, 696_028),
        city("Görlitz", "Sachsen", "028", 5_115_518, 1_498_853),
        city("Lübeck", "Schleswig-Holstein", "235", 5_386_893, 1_068_729),
    ],
    street: &["Hauptstraße", "Am Gänsemarkt", "Königsallee", "Fährdamm", "Weißdornweg"],
    post: &["Geschäftsführerin", "Einkäufer", "Prokuristin", "Leiter Qualitätssicherung"],
    sentence: &[
        "Möchte im nächsten Quartal über größere Stückzahlen sprechen.",
        "Rückruf vereinbart; Angebot bitte mit 2 % Skonto.",
        "Die Lieferung kam \"verspätet, aber vollständig\" an.",
        "Ansprechpartnerin ist bis 3. März in Elternzeit.",
    ],
};

const POLISH: Culture = Culture {
    country: "Polska",
    telephone: "+48",
    domain: "pl",
    rate: 42_675,
    first: &["Łukasz", "Żaneta", "Grażyna", "Wojciech", "Stanisława", "Święcimir", "Kinga"],
    last: &[
        "Wiśniewski",
        "Dąbrowska",
        "Żółkiewski",
        "Grzegrzółka",
        "Szczęsna",
        "Brzęczyszczykiewicz",
    ],
    firm: &["Żuraw", "Bursztyn", "Wisła", "Mgła", "Kłos", "Źródło"],
    trade: &["Hurtownia", "Stocznia", "Piekarnia", "Logistyka", "Przetwórstwo", "Łączność"],
    form: &["Sp. z o.o.", "S.A.", "sp. j."],
    city: &[
        city("Łódź", "łódzkie", "90-", 5_175_925, 1_945_598),
        city("Gdańsk", "pomorskie", "80-", 5_435_203, 1_864_664),
        city("Świnoujście", "zachodniopomorskie", "72-", 5_391_053, 1_424_707),
        city("Kraków", "małopolskie", "30-", 5_006_465, 1_994_498),
    ],
    street: &["ul. Piotrkowska", "al. Niepodległości", "ul. Źródlana", "pl. Wolności"],
    post: &["Dyrektor zakupów", "Księgowa", "Właściciel", "Kierowniczka działu"],
    sentence: &[
        "Prosi o ofertę na przyszły miesiąc, najchętniej w złotych.",
        "Zażółć gęślą jaźń – sprawdzono polskie znaki w umowie.",
        "Płatność 14 dni; wcześniej były opóźnienia.",
        "Kontakt tylko telefoniczny, po godz. 10:00.",
    ],
};

const GREEK: Culture = Culture {
    country: "Ελλάδα",
    telephone: "+30",
    domain: "gr",
    rate: 10_000,
    first: &["Γιώργος", "Ελένη", "Δημήτρης", "Αικατερίνη", "Σπύρος", "Ζωή"],
    last: &["Παπαδόπουλος", "Οικονόμου", "Ξανθάκη", "Βασιλείου", "Ψαρράς"],
    firm: &["Ελιά", "Αιγαίο", "Όλυμπος", "Ήλιος", "Ωκεανός"],
    trade: &["Ναυτιλιακή", "Ελαιουργία", "Εμπορική", "Κατασκευαστική"],
    form: &["Α.Ε.", "Ε.Π.Ε.", "Ο.Ε."],
    city: &[
        city("Αθήνα", "Αττική", "10", 3_798_381, 2_372_754),
        city("Θεσσαλονίκη", "Κεντρική Μακεδονία", "54", 4_064_006, 2_294_442),
        city("Ηράκλειο", "Κρήτη", "71", 3_533_874, 2_514_421),
    ],
    street: &["Οδός Ερμού", "Λεωφόρος Κηφισίας", "Πλατεία Συντάγματος"],
    post: &["Διευθύντρια πωλήσεων", "Λογιστής", "Ιδιοκτήτης"],
    sentence: &[
        "Ζήτησε νέα προσφορά για την επόμενη άνοιξη.",
        "Η πληρωμή έγινε χωρίς καθυστέρηση.",
        "Προτιμά την επικοινωνία με ηλεκτρονικό ταχυδρομείο.",
    ],
};

const JAPANESE: Culture = Culture {
    country: "日本",
    telephone: "+81",
    domain: "jp",
    rate: 1_632_543,
    first: &["さくら", "健太郎", "陽子", "𠮷乃", "大輔"],
    last: &["髙橋", "渡邊", "小笠原", "𠮷田", "鈴木"],
    firm: &["さくら", "富士見", "青海", "𠮷野", "ミドリ"],
    trade: &["精密工業", "水産", "商事", "運輸", "電機"],
    form: &["株式会社", "合同会社", "㈱"],
    city: &[
        city("東京都", "関東", "100-", 3_568_950, 13_969_171),
        city("札幌市", "北海道", "060-", 4_306_209, 14_135_438),
        city("那覇市", "沖縄県", "900-", 2_621_240, 12_767_932),
    ],
    street: &["千代田１丁目", "大通西４", "国際通り", "丸の内２丁目"],
    post: &["代表取締役", "営業部長", "経理担当"],
    sentence: &[
        "来月、工場の見学を希望されています。",
        "お見積りは税込みでお願いします。",
        "ご担当者様は「午後のみ」対応可能とのこと。",
    ],
};

const FRENCH: Culture = Culture {
    country: "Suisse",
    telephone: "+41",
    domain: "ch",
    rate: 9_437,
    // The accents of the first three are characters of their own, which follow the letter.
    first: &["Zoe\u{308}", "Rene\u{301}e", "Franc\u{327}ois", "Anaïs", "Maël", "Noëlle"],
    last: &["L'Hôpital", "d'Été", "Perœnnec", "Béguin", "Château-Lévêque"],
    firm: &["Étoile", "Mont-Cervin", "L'Œuvre", "Fenaçon", "Crêt"],
    trade: &["Horlogerie", "Assurances", "Pâtisserie", "Précision"],
    form: &["SA", "Sàrl", "& Fils"],
    city: &[
        city("Genève", "Genève", "12", 4_620_436, 614_316),
        city("Neuchâtel", "Neuchâtel", "20", 4_699_031, 692_925),
        city("Delémont", "Jura", "28", 4_736_490, 734_453),
    ],
    street: &["rue du Rhône", "chemin de l'Église", "quai Gustave-Ador"],
    post: &["Responsable des achats", "Associée gérante", "Chargé d'affaires"],
    sentence: &[
        "Souhaite être recontacté après les fêtes de fin d'année.",
        "A signé « sous réserve » ; voir l'annexe n° 3.",
        "Les délais sont serrés, mais la qualité prime.",
    ],
};

const ENGLISH: Culture = Culture {
    country: "United Kingdom",
    telephone: "+44",
    domain: "co.uk",
    rate: 8_581,
    first: &["Olivia", "Ruaridh", "Siân", "George", "Niamh", "Dwayne"],
    last: &["O'Neill", "Smith-Jones", "MacLeod", "Featherstonehaugh", "Null", "Okafor"],
    firm: &["Bright & Co", "Harbour", "Two Rivers", "Percy \"Biff\" Ltd", "C:\\Temp"],
    trade: &["Instruments", "Brewing", "Analytics", "Haulage", "Textiles"],
    form: &["Ltd", "plc", "LLP"],
    city: &[
        city("London", "Greater London", "EC1A ", 5_150_735, -12_776),
        city("Caerdydd", "Cymru", "CF10 ", 5_148_158, -317_909),
        city("Edinburgh", "Scotland", "EH1 ", 5_595_325, -318_827),
    ],
    street: &["High Street", "St John's Wood Road", "The Quays", "Elm Grove"],
    post: &["Head of Procurement", "Managing Director", "Plant Manager", "CFO"],
    sentence: &[
        "Wants a quote for 3 sites; budget is signed off.",
        "Met at the fair, keen on a pilot in Q3 🚀",
        "Pays late; see the note of 12 May -- do not extend credit.",
        "Said: \"call me back when it's done\".",
    ],
};

const ARABIC: Culture = Culture {
    country: "المغرب",
    telephone: "+212",
    domain: "ma",
    rate: 108_213,
    first: &["ليلى", "يوسف", "خديجة", "عبد الرحمن"],
    last: &["بنجلون", "العلوي", "التازي", "الفاسي"],
    firm: &["الأطلس", "النخيل", "البحر", "Al-Andalus الأندلس"],
    trade: &["للتجارة", "للنقل", "للصناعات الغذائية"],
    form: &["ش.م.م", "SARL"],
    city: &[
        city("الدار البيضاء", "الدار البيضاء-سطات", "20", 3_357_314, -758_984),
        city("مراكش", "مراكش-آسفي", "40", 3_162_949, -798_108),
    ],
    street: &["شارع محمد الخامس", "زنقة الحرية"],
    post: &["مدير المشتريات", "محاسبة"],
    sentence: &["طلب عرض أسعار جديدًا للربع القادم.", "يفضل التواصل عبر البريد الإلكتروني."],
};

/// What deals are about.
pub(super) const DEALS: [&str; 8] = [
    "Rahmenvertrag",
    "Umowa serwisowa",
    "Ανακαίνιση",
    "年間契約",
    "Extension d'usine",
    "Fleet renewal",
    "Nachrüstung Halle 3",
    "Pilot 🚀",
];

/// Short remarks, some of which look like something else.
pub(super) const REMARKS: [&str; 16] = [
    "wie besprochen",
    "pilne!",
    "σε αναμονή",
    "至急",
    "à vérifier",
    "VIP ⭐",
    "n/a",
    "NULL",
    "-",
    "0",
    "/Date(1608015600000)/",
    "00000000-0000-0000-0000-000000000000",
    "'; DROP TABLE account; --",
    "👩‍👩‍👧‍👦 Familienbetrieb",
    "e\u{301}te\u{301}",
    " leading and trailing blanks ",
];

/// Fillers for the last place of a text that must be full: two UTF-16 units each.
pub(super) const WIDE: [char; 6] = ['😀', '🚀', '🏭', '𝄞', '𠮷', '🧾'];

use proptest::prelude::*;

use super::*;

/// Checks the result for each name.
fn check_all(cases: &[(&str, Result<&str, NameError>, &str)]) {
    for (text, expected, reason) in cases {
        let parsed = parse(text);
        let parsed = parsed.as_deref();
        assert_eq!(parsed, expected.as_ref().copied(), "{text:?}: {reason}");
    }
}

const fn hidden<'a>(c: char) -> Result<&'a str, NameError> {
    Err(NameError::Invisible(c))
}

#[test]
fn names_of_all_scripts_are_possible() {
    for (name, reason) in [
        ("小店", "hanzi"),
        ("𠮷野家𰻝𰻝面", "hanzi outside of the BMP"),
        ("Café «Zoë» №1 – 50% & Co.", "Latin with punctuation"),
        ("مقهى النيل", "Arabic"),
        (
            "می\u{200C}خواهم",
            "Persian with a ZWNJ between letters that would join",
        ),
        ("חֲנוּת שָׁלוֹם", "Hebrew with points"),
        (
            "क्\u{200D}ष क्\u{200C}ष दुकान",
            "Devanagari with joiners after a virama",
        ),
        ("ශ්\u{200D}රී ලංකා", "Sinhala with a joiner after a virama"),
        ("คุณน้ำ ร้านกาแฟ", "Thai"),
        ("བོད་ཁང་", "Tibetan"),
        ("Tiệm phở Hà Nội", "Vietnamese"),
        ("한국 가게", "Hangul"),
        ("🍜", "an emoji alone"),
        (
            "👨\u{200D}👩\u{200D}👧\u{200D}👦👍🏽👩🏽\u{200D}🚀",
            "emoji of several",
        ),
        (
            "🏳\u{FE0F}\u{200D}🌈❤\u{FE0F}\u{200D}🔥🏴\u{200D}☠\u{FE0F}",
            "styled and joined",
        ),
        ("1\u{FE0F}\u{20E3}#\u{FE0F}\u{20E3}", "keycaps"),
        ("🇨🇳🏴", "flags"),
        ("☎ 8675", "a symbol"),
        ("မြှို့ ခန္ဓာ ខ្មែរ", "marks in pairs, letters below others"),
        ("\u{1FAFF}\u{1FC00}", "reserved for emoji to come"),
        ("<b>\"'&{{7*7}}」", "no page interprets it"),
    ] {
        assert_eq!(parse(name).as_deref(), Ok(name), "{reason}");
    }
}

#[test]
fn one_name_has_one_form() {
    check_all(&[
        (" 小店 ", Ok("小店"), "white space around it"),
        ("\n小店\u{3000}", Ok("小店"), "any white space around it"),
        ("a \u{A0}\u{3000}\u{2009} b", Ok("a b"), "a run of spaces"),
        ("a\u{A0}b", Ok("a b"), "a space that looks like one"),
        ("Cafe\u{301}", Ok("Caf\u{E9}"), "NFC"),
        ("\u{FA10}", Ok("\u{585A}"), "a compatibility ideograph"),
        ("\u{1100}\u{1161}", Ok("가"), "Hangul in parts"),
    ]);
}

#[test]
fn an_emoji_has_one_form_with_and_without_invisible_characters() {
    for emoji in ["☕", "❤", "㊗", "©", "™", "‼", "☎", "↔", "☝🏽"] {
        for style in [TEXT_STYLE, EMOJI_STYLE] {
            let styled = format!("{emoji}{style}店");
            assert_eq!(parse(&styled), Ok(format!("{emoji}店")), "{styled:?}");
        }
    }
    check_all(&[
        ("👍\u{200D}👍", Ok("👍👍"), "no such emoji"),
        ("🍎\u{200D}🍎\u{200D}🍎", Ok("🍎🍎🍎"), "nor of three"),
        ("👍🏽\u{200D}👍", Ok("👍🏽👍"), "nor in a tone of skin"),
        (
            "👩\u{200D}🚀\u{200D}👍",
            Ok("👩\u{200D}🚀👍"),
            "one and no more",
        ),
        ("1\u{20E3}", Ok("1\u{FE0F}\u{20E3}"), "a keycap"),
        ("↔\u{FE0F}\u{338}", Ok("↮"), "a mark behind a selector"),
        (
            "❤\u{200D}🔥",
            Ok("❤\u{FE0F}\u{200D}🔥"),
            "a style that the keyboard left out",
        ),
        (
            "👩\u{200D}❤\u{200D}💋\u{FE0F}\u{200D}👩",
            Ok("👩\u{200D}❤\u{FE0F}\u{200D}💋\u{200D}👩"),
            "one left out, one too many",
        ),
    ]);
}

#[test]
fn a_mark_belongs_to_the_script_of_its_letter() {
    for mark in [
        '\u{11070}',
        '\u{10A3F}',
        '\u{1CF7}',
        '\u{94D}',
        '\u{1039}',
        '\u{E3A}',
        '\u{5B0}',
    ] {
        for letter in ["商", "a", "1", "🍜"] {
            let name = format!("{letter}{mark}户");
            assert_eq!(parse(&name), Err(NameError::Marks), "{name:?}");
        }
    }
    check_all(&[
        ("က္", Err(NameError::Marks), "nothing below"),
        ("ខ្户", Err(NameError::Marks), "another script below"),
    ]);
}

#[test]
fn what_shows_as_nothing_is_no_name() {
    let marks = "\u{301}".repeat(32);
    check_all(&[
        ("", Err(NameError::Length), "empty"),
        (" \t\n\u{3000}", Err(NameError::Length), "white space"),
        ("\u{200B}", hidden('\u{200B}'), "zero width space"),
        ("\u{2060}\u{FEFF}", hidden('\u{2060}'), "word joiner"),
        ("\u{FEFF}", hidden('\u{FEFF}'), "byte order mark"),
        ("\u{AD}", hidden('\u{AD}'), "soft hyphen"),
        ("\u{3164}", hidden('\u{3164}'), "Hangul filler"),
        ("\u{115F}", hidden('\u{115F}'), "Hangul choseong filler"),
        ("\u{1160}", hidden('\u{1160}'), "Hangul jungseong filler"),
        ("\u{FFA0}", hidden('\u{FFA0}'), "halfwidth Hangul filler"),
        ("\u{2800}", hidden('\u{2800}'), "empty Braille pattern"),
        ("\u{FFFC}", hidden('\u{FFFC}'), "object replacement"),
        ("\u{1D159}", hidden('\u{1D159}'), "null notehead"),
        ("\u{17B4}", hidden('\u{17B4}'), "inherent vowel of Khmer"),
        ("\u{34F}", hidden('\u{34F}'), "grapheme joiner"),
        ("\u{180E}", hidden('\u{180E}'), "Mongolian vowel separator"),
        ("\u{E0041}\u{E0042}", hidden('\u{E0041}'), "tag characters"),
        ("\u{FE0F}", hidden('\u{FE0F}'), "a selector of nothing"),
        ("\u{200D}", hidden('\u{200D}'), "a joiner of nothing"),
        ("\u{301}", Err(NameError::Marks), "a mark on our words"),
        (&marks, Err(NameError::Marks), "marks only"),
        ("\u{903}", Err(NameError::Marks), "a spacing mark only"),
        ("\u{20E3}", Err(NameError::Marks), "an enclosing mark only"),
    ]);
}

#[test]
fn nothing_invisible_tells_two_names_apart() {
    check_all(&[
        ("a\u{200B}官方", hidden('\u{200B}'), "zero width space"),
        ("a\u{200E}b", hidden('\u{200E}'), "LRM"),
        ("a\u{200F}b", hidden('\u{200F}'), "RLM"),
        ("a\u{61C}b", hidden('\u{61C}'), "ALM"),
        ("a\u{202E}b", hidden('\u{202E}'), "RLO"),
        ("a\u{2066}b\u{2069}", hidden('\u{2066}'), "LRI"),
        ("小\u{200D}店", hidden('\u{200D}'), "ZWJ between hanzi"),
        ("小\u{200C}店", hidden('\u{200C}'), "ZWNJ between hanzi"),
        (
            "a\u{200D}🍜",
            hidden('\u{200D}'),
            "ZWJ before an emoji only",
        ),
        ("🍜\u{200D}", hidden('\u{200D}'), "ZWJ behind an emoji only"),
        (
            "کار\u{200C}ها",
            hidden('\u{200C}'),
            "ZWNJ behind a letter that joins nothing",
        ),
        (
            "س\u{200D}ل",
            hidden('\u{200D}'),
            "ZWJ between letters that join anyway",
        ),
        ("店\u{FE0F}", hidden('\u{FE0F}'), "a selector for no emoji"),
    ]);
}

#[test]
fn joiners_stand_between_letters_of_one_script() {
    check_all(&[
        (
            "क्\u{200D}",
            hidden('\u{200D}'),
            "ZWJ at the end, behind a virama",
        ),
        (
            "क्\u{200C}",
            hidden('\u{200C}'),
            "ZWNJ at the end, behind a virama",
        ),
        (
            "商क्\u{200D}户",
            hidden('\u{200D}'),
            "ZWJ before another script",
        ),
        (
            "ப்\u{200C}ப",
            hidden('\u{200C}'),
            "ZWNJ where a virama always shows",
        ),
        (
            "ب\u{200C}\u{64E}ب",
            hidden('\u{200C}'),
            "ZWNJ before a mark",
        ),
    ]);
}

#[test]
fn no_filler_or_selector_tells_two_names_apart() {
    check_all(&[
        ("商\u{16FE4}户", hidden('\u{16FE4}'), "Khitan filler"),
        ("商\u{2D7F}户", hidden('\u{2D7F}'), "Tifinagh joiner"),
        ("𑁒\u{1107F}𑁒", hidden('\u{1107F}'), "Brahmi joiner"),
        ("商\u{13440}户", hidden('\u{13440}'), "Egyptian mirror"),
        (
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            hidden('\u{E0067}'),
            "a flag that most fonts show as a black one",
        ),
        (
            "1\u{FE0F}2",
            hidden('\u{FE0F}'),
            "a digit that is no keycap",
        ),
        (
            "1\u{FE0E}2",
            hidden('\u{FE0E}'),
            "the same in the style of text",
        ),
        ("葛\u{E0100}", hidden('\u{E0100}'), "a variant of a hanzi"),
        (
            "\u{1820}\u{180B}",
            hidden('\u{180B}'),
            "a variant of a Mongolian letter",
        ),
        (
            "🏴\u{E0061}\u{E0062}",
            hidden('\u{E0061}'),
            "text in tag characters",
        ),
        (
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}",
            hidden('\u{E0067}'),
            "a flag without an end",
        ),
    ]);
}

#[test]
fn nothing_in_a_name_controls_the_text_around_it() {
    check_all(&[
        ("a\u{2028}b", hidden('\u{2028}'), "line separator"),
        ("a\u{2029}b", hidden('\u{2029}'), "paragraph separator"),
        ("a\u{85}b", hidden('\u{85}'), "NEL"),
        ("a\nb", hidden('\n'), "LF"),
        ("a\tb", hidden('\t'), "tab"),
        ("a\0b", hidden('\0'), "NUL"),
        ("a\u{1B}[2J", hidden('\u{1B}'), "ESC"),
        (
            "\u{E000}",
            hidden('\u{E000}'),
            "private: a mark of our pages",
        ),
        (
            "\u{F8FF}",
            hidden('\u{F8FF}'),
            "private: a logo on some phones",
        ),
        ("\u{FFFF}", hidden('\u{FFFF}'), "no character"),
        ("\u{378}", hidden('\u{378}'), "unassigned"),
    ]);
}

#[test]
fn marks_stay_in_their_line() {
    let stacked = format!("a{}", "\u{300}\u{301}".repeat(15));
    let between = format!("क{}", "\u{901}\u{903}".repeat(15));
    check_all(&[
        (
            "q\u{300}\u{301}\u{302}\u{303}",
            Ok("q\u{300}\u{301}\u{302}\u{303}"),
            "four",
        ),
        (
            "q\u{300}\u{301}\u{302}\u{303}\u{304}",
            Err(NameError::Marks),
            "five",
        ),
        ("q\u{301}\u{301}", Err(NameError::Marks), "one twice"),
        (&stacked, Err(NameError::Marks), "as many as fit"),
        (&between, Err(NameError::Marks), "with others between them"),
        (
            "क\u{903}\u{903}",
            Err(NameError::Marks),
            "a spacing one twice",
        ),
        ("a \u{301}", Err(NameError::Marks), "on a space"),
        (
            "क्\u{200C}\u{901}\u{902}\u{900}\u{951}",
            hidden('\u{200C}'),
            "a joiner before marks",
        ),
    ]);
}

#[test]
fn lengths_are_of_what_is_stored() {
    let long = "长".repeat(MAX_NAME);
    assert_eq!(parse(&long).as_deref(), Ok(&*long));
    assert_eq!(parse(&format!("{long}长")), Err(NameError::Length));
    let spaced = format!("a{}b", " ".repeat(MAX_NAME));
    assert_eq!(parse(&spaced).as_deref(), Ok("a b"));
    let spaced = format!("a{}b", " ".repeat(MOST_READ));
    assert_eq!(parse(&spaced), Err(NameError::Length));
}

/// Texts of which many are almost names.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC",
        any::<char>().prop_map(String::from),
        proptest::sample::select(vec![
            "小",
            "a",
            " ",
            "🍜",
            "👩",
            "❤",
            "↔",
            "\u{338}",
            "1",
            "क",
            "\u{94D}",
            "ب",
            "🏴",
            "\u{301}",
            "\u{20E3}",
            "\u{200D}",
            "\u{200C}",
            "\u{FE0F}",
            "\u{FE0E}",
            "\u{E0067}",
            "\u{E007F}",
            "\u{3164}",
            "\u{202E}",
            "\u{3000}",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_passes_is_visible_and_does_not_change_again(text in texts()) {
        let Ok(name) = parse(&text) else {
            return Ok(());
        };
        prop_assert_eq!(parse(&name).ok(), Some(name.clone()));
        prop_assert!((1..=MAX_NAME).contains(&name.chars().count()));
        prop_assert_eq!(name.trim(), &name);
        prop_assert!(!name.contains("  "));
        let all: Vec<char> = name.chars().collect();
        let shown = |c: &char| !is_invisible(*c, GeneralCategory::for_char(*c));
        prop_assert!(all.iter().any(shown));
        for c in all.iter().filter(|c| !shown(c)) {
            prop_assert!([ZWJ, ZWNJ, EMOJI_STYLE].contains(c), "{name:?}");
        }
    }

    #[test]
    fn names_of_letters_pass(name in "[一-龥a-zà-ö𠀀-𪛖]{1,32}") {
        prop_assert_eq!(parse(&name).ok(), Some(name.clone()));
    }
}

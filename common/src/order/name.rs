//! Names: they must be visible, and two names that look the same must be the same text.
//!
//! The categories and properties are those of Unicode, from ICU4X, which `url` brings anyway. `unicode-properties` and
//! `unicode-general-category` lack `Default_Ignorable_Code_Point` and `Joining_Type`. ICU4X has no list of emoji of several
//! characters; `emojis` has.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    props::{
        BinaryProperty as _, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji,
        EmojiModifier, EnumeratedProperty as _, ExtendedPictographic, GeneralCategory,
        GeneralCategoryGroup, IndicSyllabicCategory, JoiningType, Script,
    },
    script::ScriptWithExtensions,
};

/// The longest name, in characters after normalization.
pub(super) const MAX_NAME: usize = 32;
/// Maximum number of characters that are read: normalization may remove white space.
const MOST_READ: usize = 8 * MAX_NAME;
/// Maximum number of nonspacing marks on one letter (UTS #39, 5.4). More cover the lines above and below.
const MAX_MARKS: usize = 4;
/// The longest emoji, in characters without variation selectors.
const LONGEST_EMOJI: usize = 10;

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';
const TEXT_STYLE: char = '\u{FE0E}';
const EMOJI_STYLE: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

/// Characters that are invisible although Unicode does not count them as ignorable: the empty Braille pattern, the
/// object replacement character, controls and blanks of Egyptian hieroglyphs, a note without a head, joiners of
/// Tifinagh and Brahmi, the Khitan filler.
const BLANKS: [char; 9] = [
    '\u{2800}',
    '\u{2D7F}',
    '\u{FFFC}',
    '\u{1107F}',
    '\u{13440}',
    '\u{13441}',
    '\u{13442}',
    '\u{16FE4}',
    '\u{1D159}',
];

/// Why a text is not a valid name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Too short or too long.
    #[error("data.name must have 1 to {MAX_NAME} characters")]
    Length,
    /// A character that is invisible or controls the text around it.
    #[error(
        "data.name must not hold U+{:04X}: invisible, control, private and unassigned characters are refused",
        u32::from(*.0)
    )]
    Invisible(char),
    /// Only blanks and marks.
    #[error("data.name must have a letter, digit, symbol or punctuation mark")]
    Blank,
    /// Marks that do not belong to the letter before them, or too many on one.
    #[error(
        "data.name has combining marks that do not belong to the letter before them, or more than {MAX_MARKS} on one"
    )]
    Marks,
}

/// Normalizes a name: NFC, no white space around it, one space for each run of white space. Joiners and variation selectors
/// stay only where a script or an emoji needs them. Emoji have the form that Unicode recommends (RGI).
pub(super) fn parse(text: &str) -> Result<String, NameError> {
    // First, since a mark composes with a character only directly after it.
    let text = without_selectors(text.trim())?;
    let text: Vec<char> = ComposingNormalizerBorrowed::new_nfc()
        .normalize_iter(text.into_iter())
        .take(MOST_READ + 1)
        .collect();
    if text.len() > MOST_READ {
        return Err(NameError::Length);
    }
    let mut name = Name::default();
    let mut at = 0;
    while at < text.len() {
        if let Some((emoji, length)) = emoji(&text[at..]) {
            name.push_emoji(emoji, text[at]);
            at += length;
        } else {
            name.push(&text, at)?;
            at += 1;
        }
    }
    if !(1..=MAX_NAME).contains(&name.text.chars().count()) {
        return Err(NameError::Length);
    }
    if !name.is_visible {
        return Err(NameError::Blank);
    }
    Ok(name.text)
}

/// Removes variation selectors of emoji, since only some keyboards add them. Refuses other selectors.
fn without_selectors(text: &str) -> Result<Vec<char>, NameError> {
    let text: Vec<char> = text.chars().collect();
    let mut kept = Vec::with_capacity(text.len());
    for (at, &c) in text.iter().enumerate() {
        if !matches!(c, TEXT_STYLE | EMOJI_STYLE) {
            kept.push(c);
            continue;
        }
        let is_of_emoji = at.checked_sub(1).is_some_and(|last| {
            // 1, # and * are emoji only with a keycap.
            Emoji::for_char(text[last])
                && (!text[last].is_ascii() || text.get(at + 1) == Some(&KEYCAP))
        });
        if !is_of_emoji {
            return Err(NameError::Invisible(c));
        }
    }
    Ok(kept)
}

/// The longest emoji of several characters at the start of `text`, and its length.
fn emoji(text: &[char]) -> Option<(&'static str, usize)> {
    if !Emoji::for_char(*text.first()?) {
        return None;
    }
    let longest = text.len().min(LONGEST_EMOJI);
    (2..=longest).rev().find_map(|length| {
        let part = &text[..length];
        let is_of_several = part.contains(&ZWJ) || part.contains(&KEYCAP);
        let part = is_of_several.then(|| part.iter().collect::<String>())?;
        Some((emojis::get(&part)?.as_str(), length))
    })
}

/// A name while it is parsed.
#[derive(Default)]
struct Name {
    text: String,
    is_visible: bool,
    /// The last letter, to which marks belong.
    letter: Option<char>,
    /// Number of nonspacing marks on it.
    marks: usize,
}

impl Name {
    fn push_emoji(&mut self, emoji: &str, first: char) {
        self.text.push_str(emoji);
        self.begin_letter(first);
    }

    /// Adds the character at this position of the text.
    fn push(&mut self, text: &[char], at: usize) -> Result<(), NameError> {
        let c = text[at];
        let (before, after) = (&text[..at], &text[at + 1..]);
        let category = GeneralCategory::for_char(c);
        if category == GeneralCategory::SpaceSeparator {
            self.letter = None;
            if !self.text.ends_with(' ') {
                self.text.push(' ');
            }
            return Ok(());
        }
        if is_invisible(c, category) {
            if c == ZWJ && joins_emoji(before, after) {
                // No such emoji exists, so most fonts show its parts as if the joiner were missing.
                return Ok(());
            }
            if !is_needed(c, before, after) {
                return Err(NameError::Invisible(c));
            }
        } else if GeneralCategoryGroup::Mark.contains(category) {
            self.add_mark(c, category, after)?;
        } else {
            self.begin_letter(c);
        }
        self.text.push(c);
        Ok(())
    }

    fn begin_letter(&mut self, c: char) {
        self.letter = Some(c);
        self.marks = 0;
        self.is_visible = true;
    }

    fn add_mark(
        &mut self,
        c: char,
        category: GeneralCategory,
        after: &[char],
    ) -> Result<(), NameError> {
        if category != GeneralCategory::SpacingMark {
            self.marks += 1;
        }
        let fits = self.letter.is_some_and(|letter| is_mark_of(c, letter));
        let is_repeated = self.text.ends_with(c);
        if !fits || is_repeated || self.marks > MAX_MARKS || stacks_nothing(c, after) {
            return Err(NameError::Marks);
        }
        Ok(())
    }
}

/// Whether the mark is used with all scripts or with that of `letter`. On a letter of another script, fonts show nothing.
fn is_mark_of(mark: char, letter: char) -> bool {
    let scripts = ScriptWithExtensions::new();
    let of_letter = scripts.get_script_extensions_val(letter);
    Script::for_char(mark) == Script::Inherited
        || scripts
            .get_script_extensions_val(mark)
            .iter()
            .any(|script| of_letter.contains(&script))
}

/// Whether the mark only stacks the next letter below the last one, and no letter follows.
fn stacks_nothing(mark: char, after: &[char]) -> bool {
    IndicSyllabicCategory::for_char(mark) == IndicSyllabicCategory::InvisibleStacker
        && !begins_with_letter(after, Script::for_char(mark))
}

/// Whether a character is invisible, or differs between devices. Unassigned characters that are reserved for emoji are
/// accepted: phones have new emoji before we do.
fn is_invisible(c: char, category: GeneralCategory) -> bool {
    match category {
        GeneralCategory::Unassigned => !ExtendedPictographic::for_char(c),
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => true,
        _ => DefaultIgnorableCodePoint::for_char(c) || BLANKS.contains(&c),
    }
}

/// Whether the joiner is between two emoji (UAX #29, GB11).
fn joins_emoji(before: &[char], after: &[char]) -> bool {
    let last = before.iter().rfind(|c| !EmojiModifier::for_char(**c));
    let is_picture = |c: Option<&char>| c.is_some_and(|c| ExtendedPictographic::for_char(*c));
    is_picture(last) && is_picture(after.first())
}

/// Whether the joiner changes the letters around it, in a script that needs it (RFC 5892, A.1, A.2).
fn is_needed(joiner: char, before: &[char], after: &[char]) -> bool {
    let Some(&last) = before.last() else {
        return false;
    };
    let is_mark = |c: char| GeneralCategoryGroup::Mark.contains(GeneralCategory::for_char(c));
    let letter = before.iter().rfind(|c| !is_mark(**c));
    let Some(script) = letter.map(|letter| Script::for_char(*letter)) else {
        return false;
    };
    let has_form = match (joiner, script) {
        (ZWNJ, Script::Arabic) => parts_letters(before, after),
        // In Sinhala, Telugu and Kannada, the other joiner changes nothing.
        (ZWJ, Script::Sinhala)
        | (ZWNJ, Script::Telugu | Script::Kannada)
        | (
            ZWJ | ZWNJ,
            Script::Devanagari
            | Script::Bengali
            | Script::Gujarati
            | Script::Oriya
            | Script::Malayalam,
        ) => is_virama(last),
        _ => false,
    };
    has_form && begins_with_letter(after, script)
}

fn begins_with_letter(text: &[char], script: Script) -> bool {
    text.first().is_some_and(|c| {
        let category = GeneralCategory::for_char(*c);
        GeneralCategoryGroup::Letter.contains(category) && Script::for_char(*c) == script
    })
}

/// Whether the character is a virama, the sign of Indic scripts that drops a vowel.
fn is_virama(c: char) -> bool {
    CanonicalCombiningClass::for_char(c) == CanonicalCombiningClass::Virama
}

/// Whether the letters on both sides would join without it.
fn parts_letters(before: &[char], after: &[char]) -> bool {
    let kind = |c: &char| JoiningType::for_char(*c);
    let last = before
        .iter()
        .rev()
        .map(kind)
        .find(|kind| *kind != JoiningType::Transparent);
    matches!(
        last,
        Some(JoiningType::LeftJoining | JoiningType::DualJoining)
    ) && matches!(
        after.first().map(kind),
        Some(JoiningType::RightJoining | JoiningType::DualJoining)
    )
}

#[cfg(test)]
mod tests;

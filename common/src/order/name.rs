//! What a name may hold: it must be visible, and two names that look the same must be the same text.
//!
//! The categories and properties are those of Unicode, from ICU4X, which `url` brings anyway. `unicode-properties` and
//! `unicode-general-category` lack `Default_Ignorable_Code_Point` and `Joining_Type`.

use std::iter;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    BinaryProperty as _, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier,
    EmojiPresentation, EnumeratedProperty as _, ExtendedPictographic, GeneralCategory,
    GeneralCategoryGroup, JoiningType,
};

/// The longest name, in characters after normalization.
pub(super) const MAX_NAME: usize = 32;
/// The most characters that are looked at: white space may make more of a name.
const MOST_READ: usize = 8 * MAX_NAME;
/// The most nonspacing marks on one letter (UTS #39, 5.4). More cover the lines above and below.
const MAX_MARKS: usize = 4;

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';
const TEXT_STYLE: char = '\u{FE0E}';
const EMOJI_STYLE: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';
const BLACK_FLAG: char = '\u{1F3F4}';

/// Characters that show as nothing although Unicode does not count them as ignorable: the empty Braille pattern, the
/// object replacement character, the blanks of Egyptian hieroglyphs, a note without a head.
const BLANKS: [char; 5] = [
    '\u{2800}',
    '\u{FFFC}',
    '\u{13441}',
    '\u{13442}',
    '\u{1D159}',
];

/// The three regions whose flags are emoji, in tag characters: England, Scotland, Wales.
const REGIONS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// Why a text is no name.
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
    /// Nothing but blanks and marks.
    #[error("data.name must have a letter, digit, symbol or punctuation mark")]
    Blank,
    /// Marks that belong to no letter, or too many for one.
    #[error(
        "data.name has combining marks without a letter before them, or more than {MAX_MARKS} on one"
    )]
    Marks,
}

/// The one form in which a name is stored: NFC, no white space around it, one space for each run of white space, and no
/// emoji variation selector that changes nothing.
pub(super) fn parse(text: &str) -> Result<String, NameError> {
    let text: Vec<char> = ComposingNormalizerBorrowed::new_nfc()
        .normalize_iter(text.trim().chars())
        .take(MOST_READ + 1)
        .collect();
    if text.len() > MOST_READ {
        return Err(NameError::Length);
    }
    let mut name = Name::default();
    for at in 0..text.len() {
        name.push(&text, at)?;
    }
    if !(1..=MAX_NAME).contains(&name.text.chars().count()) {
        return Err(NameError::Length);
    }
    if !name.is_visible {
        return Err(NameError::Blank);
    }
    Ok(name.text)
}

/// A name while it is read.
#[derive(Default)]
struct Name {
    text: String,
    is_visible: bool,
    /// Nonspacing marks on the last letter.
    marks: usize,
}

impl Name {
    /// Adds the character at this place of the text.
    fn push(&mut self, text: &[char], at: usize) -> Result<(), NameError> {
        let c = text[at];
        let category = GeneralCategory::for_char(c);
        if category == GeneralCategory::SpaceSeparator {
            if !self.text.ends_with(' ') {
                self.text.push(' ');
            }
            return Ok(());
        }
        if is_invisible(c, category) {
            if is_redundant(text, at) {
                return Ok(());
            }
            if !is_needed(text, at) {
                return Err(NameError::Invisible(c));
            }
        } else if GeneralCategoryGroup::Mark.contains(category) {
            self.add_mark(c, category)?;
        } else {
            self.marks = 0;
            self.is_visible = true;
        }
        self.text.push(c);
        Ok(())
    }

    fn add_mark(&mut self, c: char, category: GeneralCategory) -> Result<(), NameError> {
        if category == GeneralCategory::SpacingMark {
            self.marks = 0;
        } else {
            self.marks += 1;
        }
        let has_letter = !self.text.is_empty() && !self.text.ends_with(' ');
        let is_repeated = self.marks > 1 && self.text.ends_with(c);
        if !has_letter || is_repeated || self.marks > MAX_MARKS {
            return Err(NameError::Marks);
        }
        Ok(())
    }
}

/// Whether a reader sees nothing, or nothing that is the same everywhere. Of the unassigned characters those that are
/// reserved for emoji pass: phones have new ones before we do.
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

/// Whether it asks for an emoji behind a character that is one anyway. Some keyboards add it, some do not.
fn is_redundant(text: &[char], at: usize) -> bool {
    text[at] == EMOJI_STYLE && at > 0 && EmojiPresentation::for_char(text[at - 1])
}

/// Whether the invisible character at this place is part of an emoji, or of a script that is not written without it.
fn is_needed(text: &[char], at: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + 1..]);
    let Some(&last) = before.last() else {
        return false;
    };
    match text[at] {
        ZWJ => joins_emoji(before, after) || is_virama(last),
        ZWNJ => is_virama(last) || parts_letters(before, after),
        TEXT_STYLE => is_emoji_symbol(last),
        // 1, # and * are emoji with a keycap only.
        EMOJI_STYLE => {
            is_emoji_symbol(last) || Emoji::for_char(last) && after.first() == Some(&KEYCAP)
        }
        _ => is_in_regional_flag(text, at),
    }
}

fn is_emoji_symbol(c: char) -> bool {
    Emoji::for_char(c) && !c.is_ascii()
}

/// Whether emoji stand on both sides, as in UAX #29, GB11.
fn joins_emoji(before: &[char], after: &[char]) -> bool {
    let is_variant = |c: &char| *c == EMOJI_STYLE || EmojiModifier::for_char(*c);
    let last = before.iter().rev().find(|c| !is_variant(c));
    let is_picture = |c: Option<&char>| c.is_some_and(|c| ExtendedPictographic::for_char(*c));
    is_picture(last) && is_picture(after.first())
}

/// Whether it is the sign of Indic scripts that drops a vowel, after which joiners choose the form (RFC 5892, A.1, A.2).
fn is_virama(c: char) -> bool {
    CanonicalCombiningClass::for_char(c) == CanonicalCombiningClass::Virama
}

/// Whether letters of a cursive script stand on both sides that would join (RFC 5892, A.1).
fn parts_letters(before: &[char], after: &[char]) -> bool {
    let kind = |c: &char| JoiningType::for_char(*c);
    let is_solid = |kind: &JoiningType| *kind != JoiningType::Transparent;
    let last = before.iter().rev().map(kind).find(is_solid);
    let next = after.iter().map(kind).find(is_solid);
    matches!(
        last,
        Some(JoiningType::LeftJoining | JoiningType::DualJoining)
    ) && matches!(
        next,
        Some(JoiningType::RightJoining | JoiningType::DualJoining)
    )
}

/// Whether the tag character at this place belongs to one of the three flags.
fn is_in_regional_flag(text: &[char], at: usize) -> bool {
    let Some(flag) = text[..at].iter().rposition(|c| *c == BLACK_FLAG) else {
        return false;
    };
    REGIONS.iter().any(|region| {
        let tag = |byte: u8| char::from_u32(0xE_0000 + u32::from(byte));
        let end = iter::once('\u{E007F}');
        let tags: Vec<char> = region.bytes().filter_map(tag).chain(end).collect();
        at - flag <= tags.len() && text[flag + 1..].starts_with(&tags)
    })
}

#[cfg(test)]
mod tests;

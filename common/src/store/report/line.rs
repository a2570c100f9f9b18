//! Texts of a report.

use icu_properties::props::{EnumeratedProperty as _, GeneralCategory};
use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// One line of text with at most `MAX` characters. Drops characters that move a terminal's cursor or reverse text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Line<const MAX: usize>(pub(super) String);

/// The text is longer than a [`Line`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be at most {0} characters")]
pub struct TooLong(usize);

impl<const MAX: usize> TryFrom<String> for Line<MAX> {
    type Error = TooLong;

    fn try_from(text: String) -> Result<Self, TooLong> {
        let is_hidden = |c: char| {
            let category = GeneralCategory::for_char(c);
            matches!(category, GeneralCategory::Control | GeneralCategory::Format)
        };
        let line = text
            .split(|c: char| c.is_whitespace() || is_hidden(c))
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        if line.chars().count() > MAX {
            return Err(TooLong(MAX));
        }
        Ok(Self(line))
    }
}

impl<const MAX: usize> PartialSchema for Line<MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(MAX))
            .into()
    }
}

impl<const MAX: usize> ToSchema for Line<MAX> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<String, TooLong> {
        Line::<500>::try_from(text.to_owned()).map(|Line(line)| line)
    }

    #[test]
    fn a_line_is_one_and_moves_no_cursor() {
        let text = line(" 收了钱\r\n不发货 \u{1b}[2J\u{202e}\u{61c}abc\0 ");
        assert_eq!(text.unwrap(), "收了钱 不发货 [2J abc");
        assert_eq!(line("\t").unwrap(), "");
    }

    #[test]
    fn lengths_are_of_characters_and_limited() {
        let text = "长".repeat(500);
        assert_eq!(line(&format!(" {text}")), Ok(text.clone()));
        assert_eq!(line(&format!("{text}长")), Err(TooLong(500)));
    }
}

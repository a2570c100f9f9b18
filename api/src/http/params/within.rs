//! Integers whose range is part of their type, and so of the OpenAPI document.

use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A number from `MIN` to `MAX`, in digits. With a `DEFAULT` it may be missing (`#[serde(default)]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within<T, const MIN: u32, const MAX: u32, const DEFAULT: u16 = 0>(pub(crate) T);

impl<T: From<u16>, const MIN: u32, const MAX: u32, const DEFAULT: u16> Default
    for Within<T, MIN, MAX, DEFAULT>
{
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl<'de, T: TryFrom<u32>, const MIN: u32, const MAX: u32, const DEFAULT: u16> Deserialize<'de>
    for Within<T, MIN, MAX, DEFAULT>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text
            .parse()
            .ok()
            .filter(|number: &u32| (MIN..=MAX).contains(number) && number.to_string() == text);
        number
            .and_then(|number| T::try_from(number).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("must be from {MIN} to {MAX}")))
    }
}

impl<T, const MIN: u32, const MAX: u32, const DEFAULT: u16> PartialSchema
    for Within<T, MIN, MAX, DEFAULT>
{
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(MIN))
            .maximum(Some(MAX))
            .default((DEFAULT > 0).then(|| DEFAULT.into()))
            .into()
    }
}

impl<T, const MIN: u32, const MAX: u32, const DEFAULT: u16> ToSchema
    for Within<T, MIN, MAX, DEFAULT>
{
}

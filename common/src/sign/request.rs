//! What is signed of a request to one of our own routes.

use std::ops::Bound;

use super::{Params, Sorted};

/// The route, as a signed parameter: its path in the table of routes, e.g. `/del`. It is never sent.
pub const ROUTE: &str = "route";
/// The name under which the time of signing travels: Unix time in seconds.
pub const TS: &str = "ts";

/// The parameters of a request together with its route, in the order in which they are signed.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// The path in the table of routes.
    pub route: &'a str,
    /// The parameters as they are sent. They hold no [`ROUTE`].
    pub params: &'a Params,
}

impl Sorted for Routed<'_> {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let before = (Bound::Unbounded, Bound::Excluded(ROUTE));
        let after = (Bound::Excluded(ROUTE), Bound::Unbounded);
        let text = |(name, value)| (String::as_str(name), String::as_str(value));
        let before = self.params.range::<str, _>(before).map(text);
        let after = self.params.range::<str, _>(after).map(text);
        before.chain([(ROUTE, self.route)]).chain(after)
    }
}

/// A parameter whose value lets the signed text be read in a second way: it holds `&<name>=` with one of `names`,
/// which are all that a signed request may have, on any route. Where no value does, the text has one reading: each
/// `&<name>=` in it is the beginning of a parameter.
///
/// The answer is the parameter and the name in its value.
pub fn second_reading<'a>(
    params: &'a impl Sorted,
    names: &[&'static str],
) -> Option<(&'a str, &'static str)> {
    params.pairs().find_map(|(name, value)| {
        let mut inner = value.split('&').skip(1);
        let found = inner.find_map(|part| {
            let (inner, _) = part.split_once('=')?;
            names.iter().find(|known| **known == inner)
        });
        found.map(|known| (name, *known))
    })
}

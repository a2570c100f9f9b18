//! The signed parameters of a request to one of our own routes.

use std::ops::Bound;

use super::{Params, Sorted};

/// The route, as a signed parameter: its path in the table of routes, e.g. `/del`. It is never sent.
pub const ROUTE: &str = "route";
/// The name of the time of signing: Unix time in seconds.
pub const TS: &str = "ts";

/// The parameters of a request and its route, in signing order.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// The path in the table of routes.
    pub route: &'a str,
    /// The parameters that are sent, without [`ROUTE`].
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

/// A parameter whose value makes the signed text ambiguous: it contains `&<name>=` for one of `names`, which are all
/// parameters that a signed request may have, on any route. If there is none, the text has one reading: each `&<name>=` in
/// it starts a parameter.
///
/// Returns the parameter and the name in its value.
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

//! The search for codes: rxing's steps, at several sizes.
//!
//! rxing's own readers are unbounded. A picture of 3,000 × 3,000 pixels, tiled with finder patterns of 2-pixel modules,
//! takes them 100 s. Here each step is bounded before it begins.

mod attempt;

use std::collections::BTreeSet;

use self::attempt::{Attempt, attempt};
use super::grey::Grey;

/// Minimum length of the shorter side: a smaller picture cannot contain a code.
const SMALLEST: usize = 21;

/// Pictures with a longer side up to this are also searched at double size.
const SMALL_SIDE: usize = 800;

/// The result of a search.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// The texts of codes.
    Codes(BTreeSet<String>),
    /// About this many codes, not all of which were read.
    TooMany(usize),
    /// An unreadable code, and the pixels per module.
    Blurred(f64),
    /// Too many patterns to examine.
    Crowded,
    /// No code.
    Nothing,
}

/// A variant of the picture to search.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Scaled down by this factor.
    Plain(usize),
    /// Inverted.
    Inverted,
    /// Scaled down by this factor, with gaps between modules closed, for codes made of separate squares.
    Closed(usize),
    /// The same, inverted.
    InvertedClosed(usize),
    /// Scaled up to double size, if it is small.
    Doubled,
}

/// Tried in this order until every visible code is read. Each reads pictures that earlier ones cannot
/// (docs/performance.md, "Pictures").
const LOOKS: [Look; 8] = [
    Look::Plain(1),
    Look::Plain(2),
    Look::Inverted,
    Look::Plain(4),
    Look::Doubled,
    Look::Closed(2),
    Look::Closed(4),
    Look::InvertedClosed(2),
];

impl Look {
    /// Searches this variant. Returns the result and the scale, in original pixels per pixel.
    fn at(self, grey: &Grey) -> Option<(Attempt, f64)> {
        let seen = match self {
            Self::Plain(1) => (attempt(grey, false), 1.0),
            Self::Plain(factor) => (attempt(&grey.shrunk(factor), false), scale(factor)),
            Self::Inverted => (attempt(&grey.inverted(), false), 1.0),
            Self::Closed(factor) => (attempt(&grey.shrunk(factor), true), scale(factor)),
            Self::InvertedClosed(factor) => {
                let grey = grey.shrunk(factor).inverted();
                (attempt(&grey, true), scale(factor))
            }
            Self::Doubled if grey.side() > SMALL_SIDE => return None,
            Self::Doubled => (attempt(&grey.doubled()?, false), 0.5),
        };
        Some(seen)
    }
}

fn scale(factor: usize) -> f64 {
    u32::try_from(factor).map_or(1.0, f64::from)
}

/// Searches a picture on each background until all visible codes are read.
pub(super) fn search(grounds: &[Grey]) -> Seen {
    let is_small = |grey: &Grey| grey.width.min(grey.height) < SMALLEST;
    if grounds.iter().any(is_small) {
        return Seen::Blurred(0.0);
    }
    let mut sum = Sum::default();
    let looks = LOOKS
        .iter()
        .flat_map(|look| grounds.iter().map(|grey| look.at(grey)));
    for (attempt, scale) in looks.flatten() {
        sum.add(attempt, scale);
        if sum.is_complete() {
            return Seen::Codes(sum.texts);
        }
    }
    sum.seen()
}

/// The combined results of all attempts.
#[derive(Default)]
struct Sum {
    texts: BTreeSet<String>,
    /// The most codes that one attempt read.
    read: usize,
    /// The most codes that one attempt detected, read or not.
    shown: usize,
    /// Pixels per module of an unread code.
    module: Option<f64>,
    is_crowded: bool,
}

impl Sum {
    fn add(&mut self, attempt: Attempt, scale: f64) {
        self.read = self.read.max(attempt.read);
        self.shown = self.shown.max(attempt.read + attempt.unread);
        self.texts.extend(attempt.texts);
        self.is_crowded |= attempt.is_crowded;
        self.module = self.module.or(attempt.module.map(|module| module * scale));
    }

    fn is_complete(&self) -> bool {
        !self.texts.is_empty() && self.read >= self.shown
    }

    fn seen(self) -> Seen {
        match (self.texts.len(), self.shown, self.module) {
            (0, 0 | 1, Some(module)) => Seen::Blurred(module),
            (0, 0 | 1, None) if self.is_crowded => Seen::Crowded,
            (0, 0 | 1, None) => Seen::Nothing,
            // For example two codes; the sender may have meant the unread one.
            _ => Seen::TooMany(self.shown),
        }
    }
}

//! The search for codes: rxing's steps one by one, at several sizes.
//!
//! rxing's own readers have no bound: a picture of 3,000 pixels square, tiled with finder patterns of 2-pixel modules,
//! keeps them busy for 100 s. Here each step is bounded before it begins.

mod attempt;

use std::collections::BTreeSet;

use self::attempt::{Attempt, attempt};
use super::grey::Grey;

/// A picture with a shorter side has no room for a code.
const SMALLEST: usize = 21;

/// A picture whose longer side is at most this is also looked at larger.
const SMALL_SIDE: usize = 800;

/// What was seen in a picture.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// The texts of codes.
    Codes(BTreeSet<String>),
    /// About so many codes, not all of which were read.
    TooMany(usize),
    /// A code that cannot be read, and the pixels across one of its modules.
    Blurred(f64),
    /// Patterns of codes, too many to look at each.
    Crowded,
    /// No code.
    Nothing,
}

/// How a picture is looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// This many times smaller.
    Plain(usize),
    /// With dark for light.
    Inverted,
    /// This many times smaller, with gaps between modules closed, as in codes of separate squares.
    Closed(usize),
    /// The same with dark for light.
    InvertedClosed(usize),
    /// Twice as large, if it is small.
    Doubled,
}

/// In this order, until every code that shows is read. Each reads pictures that those before it do not
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
    /// What it sees, and the pixels of the picture across one of its pixels.
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

/// Searches a picture, given on each ground, until all codes that show in it are read.
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

/// What all attempts so far have seen.
#[derive(Default)]
struct Sum {
    texts: BTreeSet<String>,
    /// The most codes that one attempt read.
    read: usize,
    /// The most codes that one attempt saw, read or not.
    shown: usize,
    /// Pixels across a module of a code that was not read.
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
            // Two codes, say, and the sender perhaps meant the one that was not read.
            _ => Seen::TooMany(self.shown),
        }
    }
}

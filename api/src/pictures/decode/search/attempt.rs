//! One attempt to find codes in a picture.

use std::cmp::Reverse;

use rxing::{
    BinaryBitmap, Luma8Source,
    common::{
        BitMatrix, DetectorRXingResult as _, HybridBinarizer,
        cpp_essentials::{ConcentricPattern, GetPatternRowTP, PatternRow},
    },
    qrcode::cpp_port::{
        decoder::Decode,
        detector::{FindFinderPatterns, FinderPatternSet, GenerateFinderPatternSets, SampleQR},
    },
};

use crate::pictures::decode::{grey::Grey, panics::catch};

/// Searches every `ROWS`th row for finder patterns, as rxing does.
const ROWS: usize = 3;
/// Limit of rows' crossings of something like a finder pattern. A code with modules of `n` pixels has `3 * n`
/// crossings. rxing's cost is quadratic in their number; at the limit it takes 0.3 s.
const MOST_CROSSINGS: usize = 20_000;
/// The most finder patterns that are combined into sets of three: those of twenty codes.
const MOST_FINDERS: usize = 60;
/// The most sets of three that are tried, likeliest first. One takes up to a millisecond.
const MOST_SETS: usize = 1_500;
/// The share of fixed modules, in percent, that must be right before an unreadable pattern counts as a code.
const FIXED_MODULES: u32 = 85;
/// How many times smaller than a read code an unread code may be: letters are smaller.
const SMALLER: i32 = 2;
/// Width of a finder pattern, in modules.
const FINDER_MODULES: f64 = 7.0;

/// The result of one attempt.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) texts: Vec<String>,
    /// Number of codes read; two may have the same text.
    pub(super) read: usize,
    /// Number of codes detected but not read.
    pub(super) unread: usize,
    /// Pixels per module of an unread code.
    pub(super) module: Option<f64>,
    /// Whether there were too many patterns to examine.
    pub(super) is_crowded: bool,
}

/// Makes one attempt, with gaps between dark modules closed if `is_closed`.
pub(super) fn attempt(grey: &Grey, is_closed: bool) -> Attempt {
    // rxing panics on some patterns that are not codes.
    catch(|| look(grey, is_closed))
        .ok()
        .flatten()
        .unwrap_or_default()
}

fn look(grey: &Grey, is_closed: bool) -> Option<Attempt> {
    let (width, height) = (u32::try_from(grey.width), u32::try_from(grey.height));
    let source = Luma8Source::new_with_slice(&grey.pixels, width.ok()?, height.ok()?).ok()?;
    let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
    if is_closed {
        bitmap.close().ok()?;
    }
    let bits = bitmap.get_black_matrix();
    if crossings(bits) > MOST_CROSSINGS {
        let crowded = Attempt {
            is_crowded: true,
            ..Attempt::default()
        };
        return Some(crowded);
    }
    let mut finders = FindFinderPatterns(bits, true, 0);
    // False finder patterns in text are small.
    finders.sort_by_key(|finder| Reverse(finder.size));
    finders.truncate(MOST_FINDERS);
    let sets = GenerateFinderPatternSets(&mut finders);
    Some(read(bits, sets))
}

fn read(bits: &BitMatrix, sets: Vec<FinderPatternSet>) -> Attempt {
    let mut attempt = Attempt::default();
    let mut used: Vec<ConcentricPattern> = Vec::new();
    let mut failed = Vec::new();
    for set in sets.into_iter().take(MOST_SETS) {
        if is_used(&set, &used) {
            continue;
        }
        let Ok(sampled) = SampleQR(bits, &set) else {
            continue;
        };
        match Decode(sampled.getBits()) {
            Ok(code) if code.isValid() => {
                used.extend([set.bl, set.tl, set.tr]);
                attempt.read += 1;
                let content = code.content();
                // rxing would guess the encoding.
                let text = String::from_utf8(content.bytes().to_vec());
                attempt
                    .texts
                    .push(text.unwrap_or_else(|_| content.to_string()));
            }
            _ if has_fixed_modules(sampled.getBits()) => failed.push(set),
            _ => {}
        }
    }
    let largest = used.iter().map(|finder| finder.size).max().unwrap_or(0);
    for set in failed {
        if !is_used(&set, &used) && set.tl.size * SMALLER >= largest {
            used.extend([set.bl, set.tl, set.tr]);
            attempt.unread += 1;
            attempt
                .module
                .get_or_insert(f64::from(set.tl.size) / FINDER_MODULES);
        }
    }
    attempt
}

fn is_used(set: &FinderPatternSet, used: &[ConcentricPattern]) -> bool {
    [set.bl, set.tl, set.tr]
        .iter()
        .any(|pattern| used.contains(pattern))
}

/// Whether the modules that are fixed in all codes are right: the white borders of finder patterns and the timing
/// patterns. Three squares of a text have neither.
fn has_fixed_modules(code: &BitMatrix) -> bool {
    let side = code.width();
    let white = (0..8).flat_map(|i| {
        let far = side - 1 - i;
        [
            (i, 7),
            (7, i),
            (far, 7),
            (side - 8, i),
            (i, side - 8),
            (7, far),
        ]
        .map(|at| (at, false))
    });
    let timing = (8..side - 8).flat_map(|i| [(i, 6), (6, i)].map(|at| (at, i % 2 == 0)));
    let (mut count, mut right) = (0, 0);
    for ((x, y), is_black) in white.chain(timing) {
        count += 1;
        right += u32::from(code.get(x, y) == is_black);
    }
    right * 100 >= count * FIXED_MODULES
}

/// How often the rows cross the proportions of a finder pattern, 1:1:3:1:1.
fn crossings(bits: &BitMatrix) -> usize {
    let mut row = PatternRow::default();
    let rows = (2..bits.height()).step_by(ROWS);
    rows.map(|y| {
        GetPatternRowTP(bits, y, &mut row, false);
        // The first run is white.
        let starts = (1..row.len().saturating_sub(4)).step_by(2);
        starts
            .filter(|start| is_crossing([0, 1, 2, 3, 4].map(|run| row[start + run])))
            .count()
    })
    .sum()
}

/// As in rxing: bars and spaces may differ in width.
fn is_crossing(runs: [u16; 5]) -> bool {
    let [left, inner_left, stone, inner_right, right] = runs.map(f32::from);
    let bar = (left + stone + right) / 5.0;
    let space = f32::midpoint(inner_left, inner_right);
    let fits = |run: f32, modules: f32| (run - modules * bar).abs() <= bar * 0.75 + 0.5;
    stone >= 3.0
        && stone >= 2.0 * left.max(right)
        && stone >= inner_left.max(inner_right)
        && fits(left, 1.0)
        && fits(stone, 3.0)
        && fits(right, 1.0)
        && (inner_left - space).abs() <= space / 3.0 + 0.5
}

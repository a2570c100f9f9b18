//! The search for codes, at several sizes.

mod canvas;

use std::collections::BTreeSet;

use rqrr::{BitGrid, Point, PreparedImage};

use self::canvas::{Canvas, OutOfSteps};
use super::{finders, grey::Grey, panics::catch};

/// The longer side at which the search begins, in pixels.
const SIDE: usize = 1600;
/// A picture that is smaller is also looked at larger.
const SMALL_SIDE: usize = 800;
/// Finder patterns of a code.
const FINDERS: usize = 3;
/// More finder patterns than ten codes have are not paired: each with each, it would take too long.
const MAX_FINDERS: usize = 30;
/// A picture with a shorter side has no room for a code.
const SMALLEST: usize = 21;

/// What was seen in a picture.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// The texts of codes.
    Codes(BTreeSet<Vec<u8>>),
    /// About so many codes.
    TooMany(usize),
    /// A code that cannot be read, and the pixels across one of its modules.
    Blurred(f64),
    /// No code.
    Nothing,
    /// More than can be looked at in time.
    Endless,
}

/// Searches a picture, and itself at other sizes and inverted while nothing is read.
pub(super) fn search(picture: Grey) -> Seen {
    if picture.width.min(picture.height) < SMALLEST {
        return Seen::Blurred(0.0);
    }
    let factor = picture.side().div_ceil(SIDE);
    let larger = factor.div_ceil(2);
    let large = (larger < factor).then(|| picture.shrunk(larger));
    let base = picture.shrunk(factor);
    // Most of the memory; what is left is enough.
    drop(picture);
    let attempts: [&dyn Fn() -> Option<Attempt>; 7] = [
        &|| Some((base.clone(), 1.0)),
        &|| Some((base.shrunk(2), 2.0)),
        &|| (base.side() <= SMALL_SIDE).then(|| (base.doubled(), 0.5)),
        &|| Some((base.inverted(), 1.0)),
        &|| Some((large.clone()?, ratio(larger, factor))),
        &|| Some((base.shrunk(4), 4.0)),
        &|| Some((base.shrunk(2).inverted(), 2.0)),
    ];
    let canvas = Canvas::default();
    let mut seen = Seen::Nothing;
    for (grey, scale) in attempts.iter().filter_map(|attempt| attempt()) {
        match look(&canvas, grey) {
            Seen::Blurred(module) if seen == Seen::Nothing => {
                seen = Seen::Blurred(module * scale * ratio(factor, 1));
            }
            Seen::Nothing | Seen::Blurred(_) => {}
            now => return now,
        }
    }
    seen
}

/// A picture, and how many pixels of the first attempt one of its pixels is wide.
type Attempt = (Grey, f64);

fn look(canvas: &Canvas, grey: Grey) -> Seen {
    let bits = grey.black();
    drop(grey);
    let finders = finders::count(&bits);
    match finders {
        ..3 => return Seen::Nothing,
        _ if finders > MAX_FINDERS => return Seen::TooMany(finders / FINDERS),
        _ => {}
    }
    let canvas = canvas.of(&bits);
    drop(bits);
    match catch(|| read(canvas)) {
        // Whoever sent it meant perhaps one that was not read.
        Ok((Seen::Codes(_), read)) if read < finders / FINDERS => Seen::TooMany(finders / FINDERS),
        Ok((seen, _)) => seen,
        Err(cause) if cause.is::<OutOfSteps>() => Seen::Endless,
        // `rqrr` does so on some patterns that are no code.
        Err(_) => Seen::Nothing,
    }
}

/// What is seen, and how many codes were read.
fn read(canvas: Canvas) -> (Seen, usize) {
    let mut image = PreparedImage::without_preparation(canvas);
    let mut texts = BTreeSet::new();
    let mut read = 0;
    let mut seen = Seen::Nothing;
    for grid in image.detect_grids() {
        let mut text = Vec::new();
        if grid.decode_to(&mut text).is_ok() {
            texts.insert(text);
            read += 1;
        } else {
            let side = distance(grid.bounds[0], grid.bounds[1]);
            seen = Seen::Blurred(side / float(grid.grid.size()));
        }
    }
    if texts.is_empty() {
        (seen, read)
    } else {
        (Seen::Codes(texts), read)
    }
}

fn distance(one: Point, other: Point) -> f64 {
    f64::from(one.x - other.x).hypot(f64::from(one.y - other.y))
}

fn ratio(over: usize, under: usize) -> f64 {
    float(over) / float(under)
}

fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

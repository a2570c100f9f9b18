//! Finder patterns: the three squares in the corners of every QR code.
//!
//! What `rqrr` spends grows with the third power of their number, so they are counted first, as it counts them: a
//! ring of one connected black area around a stone of another, in the proportions 1:1:3:1:1.

use std::collections::HashSet;

use super::grey::Bits;

const PROPORTIONS: [usize; 5] = [1, 1, 3, 1, 1];
/// How much of the ring's area the stone has, in hundredths. A true one has 37.5.
const STONE: std::ops::RangeInclusive<usize> = 10..=70;

/// Counts finder patterns.
pub(super) fn count(bits: &Bits) -> usize {
    let areas = Areas::of(bits);
    let mut stones = HashSet::new();
    for y in 0..bits.height {
        let row = y * bits.width;
        for [left, stone, right] in candidates(&bits.black[row..row + bits.width]) {
            let (ring, stone) = (areas.at(row + left), areas.at(row + stone));
            let is_ring = ring == areas.at(row + right) && ring != stone;
            let share = areas.size(stone) * 100 / areas.size(ring).max(1);
            if is_ring && STONE.contains(&share) {
                stones.insert(stone);
            }
        }
    }
    stones.len()
}

/// Where the left of a ring, a stone and the right of the ring begin in a row.
fn candidates(row: &[bool]) -> Vec<[usize; 3]> {
    let mut starts: Vec<usize> = vec![0];
    starts.extend((1..row.len()).filter(|x| row[*x] != row[*x - 1]));
    starts.push(row.len());
    let mut found = Vec::new();
    for runs in starts.windows(6) {
        if !row[runs[0]] {
            continue;
        }
        let lengths: Vec<usize> = runs.windows(2).map(|ends| ends[1] - ends[0]).collect();
        let unit = (lengths[0] + lengths[1] + lengths[3] + lengths[4]) / 4;
        let slack = unit * 3 / 4;
        let fits = PROPORTIONS
            .iter()
            .zip(&lengths)
            .all(|(part, length)| (part * unit).abs_diff(*length) <= slack);
        if fits {
            found.push([runs[0], runs[2], runs[4]]);
        }
    }
    found
}

/// Connected black areas.
struct Areas {
    /// Of each pixel, one of the same area; its own index for the area's first.
    parents: Vec<u32>,
    sizes: Vec<u32>,
}

impl Areas {
    fn of(bits: &Bits) -> Self {
        let count = u32::try_from(bits.black.len()).unwrap_or(0);
        let mut areas = Self {
            parents: (0..count).collect(),
            sizes: vec![0; bits.black.len()],
        };
        for index in (0..bits.black.len()).filter(|index| bits.black[*index]) {
            if !index.is_multiple_of(bits.width) && bits.black[index - 1] {
                areas.join(index, index - 1);
            }
            if index >= bits.width && bits.black[index - bits.width] {
                areas.join(index, index - bits.width);
            }
        }
        for index in (0..bits.black.len()).filter(|index| bits.black[*index]) {
            let first = areas.first(index);
            areas.sizes[first] += 1;
            areas.parents[index] = areas.parents[first];
        }
        areas
    }

    /// The first pixel of the area of one. Halves the way to it for the next time.
    fn first(&mut self, mut index: usize) -> usize {
        while self.at(index) != index {
            let parent = self.at(index);
            self.parents[index] = self.parents[parent];
            index = parent;
        }
        index
    }

    fn at(&self, index: usize) -> usize {
        self.parents[index] as usize
    }

    fn size(&self, first: usize) -> usize {
        self.sizes[first] as usize
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.parents[one.max(other)] = self.parents[one.min(other)];
    }
}

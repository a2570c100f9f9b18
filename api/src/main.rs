//! api.

fn main() {}

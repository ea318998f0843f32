//! The one binary: see `ringmq --help`.

fn main() {}

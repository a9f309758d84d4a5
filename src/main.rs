//! The program: parses, calls the library, turns its answer into an exit code.

fn main() {}

//! The embedded log: the contract of every log, and what is its own.

mod in_memory;

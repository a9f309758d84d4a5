#[path = "../it/simulation/mod.rs"]
mod simulation;

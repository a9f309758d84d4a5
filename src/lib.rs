pub mod destination;
pub mod log;
pub mod model;

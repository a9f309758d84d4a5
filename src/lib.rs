pub mod codec;
pub mod destination;
pub mod log;
pub mod metrics;
pub mod model;

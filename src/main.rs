//! The command line of keepstep; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    keepstep::app::cli::main()
}

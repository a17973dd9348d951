//! Wires the program together and exits; decides nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloud_portfolio::cli::main()
}

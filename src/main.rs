//! The program: reads the command line, runs one command, gives its exit code.

use clap::Parser;
use loopledger::cli::{self, CommandLine};
use std::process::ExitCode;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    cli::start_logging();
    match cli::run(command_line) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loopledger: {error}");
            ExitCode::from(cli::EXIT_UNREADABLE)
        }
    }
}

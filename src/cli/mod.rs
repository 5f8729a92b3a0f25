//! Floor 5: the commands, one a file.

mod audit;
mod bench;
mod checkpoint_key;
mod demo;
mod export;
mod guard;
mod keygen;
mod ledger_folder;
mod post;
mod resume;
mod sample;
mod serve;
mod sign;
mod token;
mod verify;
mod witness;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Exit code: something was found or refused.
pub const EXIT_REFUSED: u8 = 1;
/// Exit code: what was needed could not be read or reached.
pub const EXIT_UNREADABLE: u8 = 2;

/// Exit code: consistent with itself, but nobody vouches for it.
pub const EXIT_UNTRUSTED: u8 = 3;

/// What a command can fail with; it ends the program with [`EXIT_UNREADABLE`].
pub type CommandError = Box<dyn std::error::Error>;

/// A ledger of every refurbished computer's path, and the certificates on it.
#[derive(Debug, Parser)]
#[command(name = "loopledger", version)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a ledger; the first start makes it, with its keys and the operator's token.
    Serve(crate::config::Serving),
    /// Fill a ledger with simulated data, issue a certificate, verify it offline, and serve it all.
    Demo(demo::Demo),
    /// Make a key.
    Keygen(keygen::Keygen),
    /// Make a token of the operator, when none is left.
    Token(token::Token),
    /// Make the key that is to sign checkpoints, and the statement that says so.
    CheckpointKey(checkpoint_key::CheckpointKey),
    /// Look at the guard, or set it after it was lost.
    Guard(guard::GuardCommand),
    /// Lift a halt, after everything was checked again.
    Resume(resume::Resume),
    /// Sign a payload.
    Sign(sign::Sign),
    /// Post statements, over any line: what was posted is never posted twice.
    Post(post::Post),
    /// Replay everything, from a database, a service or its tiles, and compare it with what was signed and derived.
    Audit(audit::Auditing),
    /// Measure how many statements a second are durable here.
    Bench(bench::Bench),
    /// Write the ledger to files that any tool can check.
    Export(export::Export),
    /// Check a certificate's bundle, offline.
    Verify(verify::Verify),
    /// Draw the treatments that an auditor looks at on site, as nobody could have foreseen and anybody can draw again.
    Sample(sample::Sample),
    /// Serve a witness: cosign what ledgers and other logs publish, and nothing that contradicts it.
    Witness(witness::WitnessArguments),
}

/// Logs to standard error; `RUST_LOG` chooses what.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Runs a command.
pub fn run(command_line: CommandLine) -> Result<ExitCode, CommandError> {
    match command_line.command {
        Command::Serve(serving) => serve::run(&serving),
        Command::Demo(demo) => demo::run(&demo),
        Command::Keygen(keygen) => keygen::run(&keygen),
        Command::Token(token) => token::run(&token),
        Command::CheckpointKey(checkpoint_key) => checkpoint_key::run(&checkpoint_key),
        Command::Guard(guard) => guard::run(&guard),
        Command::Resume(resume) => resume::run(&resume),
        Command::Sign(sign) => sign::run(&sign),
        Command::Post(post) => post::run(&post),
        Command::Audit(audit) => audit::run(&audit),
        Command::Bench(bench) => bench::run(&bench),
        Command::Export(export) => export::run(&export),
        Command::Verify(verify) => verify::run(&verify),
        Command::Sample(sample) => sample::run(&sample),
        Command::Witness(witness) => witness::run(&witness),
    }
}

/// Reads a file, or standard input for `-`.
fn read_input(path: &std::path::Path) -> Result<Vec<u8>, CommandError> {
    use std::io::Read;
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

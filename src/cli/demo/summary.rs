//! What the demo prints: what it did, with the ledger's own figures.

use crate::cli::CommandError;
use crate::cli::demo::devices::{Device, Outcome};
use crate::cli::demo::gift::{GIVEN, SHIPPED};
use crate::cli::demo::homecoming::DEAD;
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::Poster;
use crate::cli::demo::report;
use crate::domain::balance::{Account, imbalances, in_between};
use crate::store::records;
use std::collections::BTreeMap;

/// SHA-256 of the file whose source is known here.
const DENMARK_2025_07: &str = "7141f9fb9ecc27960abc30e23d19680f066031be6f9aa55560a35da3395e9717";

/// Digits in groups of three.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    format!("{}{}", if number < 0 { "-" } else { "" }, groups.join(","))
}

/// Grams as kilograms.
pub(super) fn kilograms(grams: i64) -> String {
    let sign = if grams < 0 { "-" } else { "" };
    let grams = grams.unsigned_abs();
    format!("{sign}{}.{:03} kg", grouped(i64::try_from(grams / 1_000).unwrap_or(i64::MAX)), grams % 1_000)
}

/// Prints devices, events, mass and refusals.
pub(super) fn print(poster: &Poster<'_>, plan: &Plan, devices: &[Device], boards_g: i64) -> Result<(), CommandError> {
    println!("DEMO DATA: weights and all that follows the source's facts are simulated with the seed {}.", plan.seed);
    match plan.open_repair_sha256.as_deref() {
        Some(DENMARK_2025_07) => {
            println!("Devices: Open Repair Alliance, openrepair/data, Repair Café Denmark, July 2025, CC BY-SA 4.0.");
        }
        Some(sha256) => println!("Devices: a file with SHA-256 {sha256}; its licence is its publisher's."),
        None => println!("Devices: made from the seed."),
    }
    print_devices(devices)?;
    println!(
        "beside them            {GIVEN} laptops given in Belgium, {SHIPPED} shipped to a school in XD, {DEAD} died there;"
    );
    println!("                       {} of their boards came home and were refined", kilograms(boards_g));
    print_events(poster)?;
    print_mass(poster)?;
    report::print(poster.ledger, plan)?;
    let refused: Vec<String> = poster.refused.iter().map(|(code, count)| format!("{code} {count}")).collect();
    println!("refused on purpose     {} attempts: {}", poster.refused.values().sum::<u64>(), refused.join(", "));
    Ok(())
}

fn print_devices(devices: &[Device]) -> Result<(), CommandError> {
    let mut counts: BTreeMap<Outcome, i64> = BTreeMap::new();
    for device in devices {
        *counts.entry(device.outcome).or_default() += 1;
    }
    let count = |outcome| grouped(counts.get(&outcome).copied().unwrap_or(0));
    println!(
        "{} devices in = {} fixed + {} repairable + {} end of life + {} unknown",
        grouped(i64::try_from(devices.len())?),
        count(Outcome::Fixed),
        count(Outcome::Repairable),
        count(Outcome::EndOfLife),
        count(Outcome::Unknown),
    );
    Ok(())
}

fn print_events(poster: &Poster<'_>) -> Result<(), CommandError> {
    let head = poster.ledger.store.read(crate::store::head::read)?;
    println!("events                 {} in the ledger", grouped(i64::try_from(head.size())?));
    let said = |kind: &str| poster.said.get(kind).copied().unwrap_or(0);
    let line = |words: &str, kind: &str| {
        println!("  {words:<20} {}", grouped(i64::try_from(said(kind)).unwrap_or(i64::MAX)));
    };
    line("registered", "registered");
    line("donated", "donated");
    line("tested", "tested");
    line("repaired", "repaired");
    line("parts moved", "part_installed");
    line("shipped abroad", "export_shipped");
    line("carried", "carried");
    line("put in use", "put_in_use");
    line("trainings", "training_held");
    line("checked", "checked");
    line("retired", "retired");
    line("merged to lots", "merged");
    line("batches", "batch_closed");
    line("fractions", "dismantled");
    line("final treatments", "treated_final");
    line("papers reviewed", "evidence_reviewed");
    line("corrected", "corrected");
    line("values erased", "value_erased");
    Ok(())
}

/// Where every gram is: what came in on one side, where it went on the other.
fn print_mass(poster: &Poster<'_>) -> Result<(), CommandError> {
    let by_site = poster.ledger.store.read(records::accounts)?;
    let mut accounts: BTreeMap<Account, i64> = BTreeMap::new();
    for (account, grams) in &by_site {
        *accounts.entry(account.account.clone()).or_default() += grams;
    }
    let is_source = |account: &Account| matches!(account, Account::Inflow | Account::Reweighed | Account::Difference);
    let is_transit = |account: &Account| matches!(account, Account::Arrived | Account::Departed);
    let side = |wanted: bool| {
        let accounts = accounts.iter().filter(move |(account, _)| !is_transit(account) && is_source(account) == wanted);
        let words = if wanted { "in " } else { "out" };
        accounts
            .map(|(account, grams)| {
                println!("mass {words}  {:<15} {:>18}", account.to_string(), kilograms(*grams));
                *grams
            })
            .sum::<i64>()
    };
    let (sources, sinks) = (side(true), side(false));
    let closes = imbalances(&by_site).is_empty() && in_between(&by_site) == 0 && sources == sinks;
    if !closes {
        return Err("the mass balance does not close".into());
    }
    println!(
        "mass balance           {} in = {} out: it closes to the gram, at each site and in total",
        kilograms(sources),
        kilograms(sinks)
    );
    Ok(())
}

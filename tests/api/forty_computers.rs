//! A donor's forty computers, from a desk in Brussels to a refinery in Hoboken, by way of three schools in Kenya.
//!
//! Everybody speaks with a key of its own, through requests to a running service. What can be read off the ledger at the
//! end is committed beside the tests in `tests/stories/forty_computers/`, with names in place of ids: begin with
//! `the_whole_ledger.txt`.

mod belgium;
mod buyers;
mod cast;
mod kenya;
mod nairobi;
mod papers;
mod telling;

use crate::contract::committed;
use crate::harness::both_databases;
use cast::Tale;
use nairobi::{FIRST, SECOND};

/// Brussels and Mechelen, November and December 2026; the ship arrives in January.
fn from_a_desk_in_brussels(tale: &mut Tale) {
    tale.everybody_joins();
    papers::the_first(tale);
    papers::an_audit(tale, "site of Hoboken refinery", "2026-11-20");
    belgium::forty_computers_are_given(tale);
    belgium::they_are_wiped_and_tested(tale);
    belgium::four_end_in_belgium(tale);
    belgium::by_sea_to_kenya(tale);
}

/// Kibera, Kisumu and Machakos, 2027 and 2028.
fn to_three_schools(tale: &mut Tale) {
    kenya::a_class_is_trained(tale);
    kenya::in_three_schools(tale);
    papers::every_november(tale, 2027);
    kenya::in_the_second_year(tale);
    papers::every_november(tale, 2028);
}

/// Nairobi, 2029: what has died in Kibera and Kisumu is dismantled. Gives the two entries of the furnace's papers.
fn the_first_batch(tale: &mut Tale) -> [u64; 2] {
    tale.on("2029-03-16");
    kenya::they_die(tale, "Kibera school", &FIRST.laptops[..12], "2029-03");
    kenya::they_die(tale, "Kisumu school", &[14, 15, 16, 25, 26], "2029-03");
    tale.on("2029-04-11");
    kenya::they_are_collected(tale, "Kibera school", &FIRST.laptops[..12], "KENBO", "2029-04-11");
    kenya::they_are_collected(tale, "Kisumu school", &[14, 15, 16, 25, 26], "KEKIS", "2029-04-11");
    papers::a_furnace_without_a_key(tale);
    tale.on("2029-04-25");
    papers::an_audit(tale, "site of Nairobi centre", "2029-04-24");
    papers::an_audit(tale, "Athi furnace", "2029-04-25");
    tale.on("2029-05-07");
    nairobi::they_are_weighed(tale, &FIRST);
    nairobi::a_batch_is_opened(tale, &FIRST);
    tale.on("2029-05-25");
    nairobi::they_are_dismantled(tale, &FIRST);
    tale.on("2029-06-05");
    nairobi::steel_and_plastic_end_at_the_furnace(tale, &FIRST)
}

/// Nairobi, winter 2029 to 2030: the papers of the first batch are reviewed; the second batch. Two desktops live on.
fn the_second_batch(tale: &mut Tale) -> [u64; 2] {
    papers::every_november(tale, 2029);
    tale.change_key("Nairobi centre");
    tale.on("2030-01-21");
    kenya::they_die(tale, "Kisumu school", SECOND.laptops, "2030-01");
    kenya::they_die(tale, "Machakos school", SECOND.desktops, "2030-01");
    tale.on("2030-02-01");
    kenya::they_are_collected(tale, "Kisumu school", SECOND.laptops, "KEKIS", "2030-02-01");
    kenya::they_are_collected(tale, "Machakos school", SECOND.desktops, "KEMKS", "2030-02-01");
    tale.on("2030-02-05");
    nairobi::they_are_weighed(tale, &SECOND);
    nairobi::a_batch_is_opened(tale, &SECOND);
    tale.on("2030-02-19");
    papers::an_audit(tale, "site of Nairobi centre", "2030-02-18");
    papers::an_audit(tale, "Athi furnace", "2030-02-19");
    nairobi::they_are_dismantled(tale, &SECOND);
    tale.on("2030-02-27");
    nairobi::steel_and_plastic_end_at_the_furnace(tale, &SECOND)
}

/// Back to Belgium, spring 2030, under a consent.
fn back_to_europe(tale: &mut Tale) {
    tale.on("2030-03-12");
    papers::an_audit(tale, "site of Hoboken refinery", "2030-03-11");
    nairobi::belgium_and_kenya_consent(tale);
    nairobi::boards_and_batteries_are_shipped(tale);
    nairobi::they_are_refined_in_hoboken(tale);
}

/// Companies, summer to autumn 2030; gives what the register says along the way.
fn two_companies_and_a_cage(tale: &mut Tale) -> String {
    let issues = buyers::two_companies_buy(tale);
    let mut roots: Vec<String> = issues.iter().flat_map(|issue| [issue.serial.clone(), issue.buffer.clone()]).collect();
    let mut told = vec![telling::what_the_register_says(tale, &roots)];
    buyers::a_cage_was_heavier(tale);
    told.push(telling::what_the_register_says(tale, &roots));
    buyers::stock_and_buffer_stand_in(tale, &issues);
    told.push(telling::what_the_register_says(tale, &roots));
    let last = buyers::the_centre_buys_back(tale, &issues);
    roots.extend([last.serial, last.buffer]);
    told.push(telling::what_the_register_says(tale, &roots));
    told.join("\n\n")
}

both_databases! {
    fn from_a_donor_to_a_refinery(kind) {
        let mut tale = Tale::begin(kind);
        from_a_desk_in_brussels(&mut tale);
        to_three_schools(&mut tale);
        let [steel, plastic] = the_first_batch(&mut tale);
        let unreviewed = telling::what_is_eligible(&tale);
        tale.on("2029-07-03");
        nairobi::papers_are_reviewed(&tale, steel, "accepted");
        nairobi::papers_are_reviewed(&tale, plastic, "accepted");
        let [steel, plastic] = the_second_batch(&mut tale);
        tale.on("2030-03-06");
        nairobi::papers_are_reviewed(&tale, steel, "accepted");
        nairobi::papers_are_reviewed(&tale, plastic, "rejected");
        back_to_europe(&mut tale);
        let before = telling::what_is_eligible(&tale);
        nairobi::a_weight_is_found_wrong(&mut tale);
        let eligible = [unreviewed, before, telling::what_is_eligible(&tale)].join("\n\n");
        let certificates = two_companies_and_a_cage(&mut tale);

        let folder = "tests/stories/forty_computers";
        committed(&format!("{folder}/the_whole_ledger.txt"), &telling::the_whole_ledger(&tale));
        committed(&format!("{folder}/path_of_a_board.txt"), &telling::path_of(&tale, "boards of batch 1"));
        committed(&format!("{folder}/balance.txt"), &telling::where_every_gram_is(&tale));
        committed(&format!("{folder}/eligibility.txt"), &eligible);
        committed(&format!("{folder}/certificates.txt"), &certificates);
        committed(&format!("{folder}/donors_report.txt"), &telling::the_donors_report(&tale));
    }
}

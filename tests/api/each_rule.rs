//! Each rule of the scheme alone: a case tells what breaks one rule and nothing else, and `withheld` shows that it keeps the
//! grams back.
//!
//! A row of the table below is a test, and the list of rules that have one is made from the same rows; so no rule is without.

use crate::corrections::instead;
use crate::eligibility::{Ended, Told};
use crate::frauds::hand;
use crate::harness::{Kind, TestApp, both_databases, kid, new_id};
use crate::signals::{paper, with};
use crate::story::{Story, audit_fields};
use crate::withheld::{Withheld, hosted, say_hosted};
use loopledger::domain::eligibility::Gap;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A story told, and of what one receipt says otherwise: the steel's 80 kg are kept back.
fn told<'a>(story: Story<'a>, told: &Told) -> Withheld<'a> {
    let ended = story.tell(told);
    Withheld::all_of(story, ended.of_steel, 80_000)
}

fn received(change: Value) -> Told {
    Told { receipt: change, ..Told::rightly() }
}

/// One test for each row, on each database, and the list of the rules.
macro_rules! each_alone {
    ($( $gap:ident: fn $name:ident($app:ident) $body:block )*) => {
        /// The rules that have a case.
        const CASES: &[Gap] = &[$( Gap::$gap ),*];

        both_databases! { $(
            fn $name(kind) {
                let app = TestApp::start(kind);
                let $app = &app;
                let withheld = $body;
                withheld.show(Gap::$gap);
            }
        )* }
    };
}

each_alone! {
    NotFromBatch: fn whole_equipment_in_the_furnace(app) {
        let story = Story::begin(app);
        let whole = story.receive(&story.weighed(5_000));
        story.send(&whole, 5_000, 5_000);
        let treatment = story.treat(&whole, 5_000);
        Withheld::all_of(story, treatment, 5_000)
    }

    NotWeighed: fn an_input_that_nobody_weighed(app) {
        let story = Story::begin(app);
        let batch = story.batch_of(&json!({"basis": "estimated", "net_g": 10_000}));
        let steel = story.fraction(&batch, "FE", 10_000);
        story.send(&steel, 10_000, 10_000);
        let treatment = story.treat(&steel, 10_000);
        story.close(&batch).accepted();
        Withheld::all_of(story, treatment, 10_000)
    }

    BatchOpen: fn a_batch_that_is_still_open(app) {
        let story = Story::begin(app);
        let (batch, treatment) = story.treated_of(10_000, 10_000);
        Withheld::all_of(story, treatment, 10_000).until(move |story| _ = story.close(&batch).accepted())
    }

    BatchShort: fn a_batch_that_lost_half(app) {
        let story = Story::begin(app);
        let (batch, treatment) = story.treated_of(100_000, 50_000);
        assert_eq!(story.close(&batch).warnings(), ["batch_short"]);
        Withheld::all_of(story, treatment, 50_000)
            .until(move |story| _ = story.find(&json!({"batch": batch}), "cleared").accepted())
    }

    BeyondBatchInput: fn a_batch_that_gives_more_than_it_took(app) {
        let story = Story::begin(app);
        let (batch, treatment) = story.treated_of(200_000, 203_000);
        story.close(&batch).accepted();
        Withheld { range: (200_000, 203_000), ..Withheld::all_of(story, treatment, 0) }.beside(200)
    }

    BatchSiteNotAudited: fn a_centre_that_nobody_visited(app) {
        let story = Story::unaudited(app);
        story.audit(&story.smelter_site, "2026-10-01", "conforms").accepted();
        let treatment = story.whole_batch(10_000);
        Withheld::all_of(story, treatment, 10_000)
            .until(|story| _ = story.audit(&story.centre_site, "2026-11-20", "conforms").accepted())
    }

    TreatmentSiteNotAudited: fn a_furnace_that_nobody_visited(app) {
        let story = Story::unaudited(app);
        story.audit(&story.centre_site, "2026-10-01", "conforms").accepted();
        let treatment = story.whole_batch(10_000);
        Withheld::all_of(story, treatment, 10_000)
            .until(|story| _ = story.audit(&story.smelter_site, "2026-11-20", "conforms").accepted())
    }

    PermitNotValid: fn an_operation_that_no_permit_names(app) {
        let story = Story::begin(app);
        let steel = story.steel(10_000);
        story.send(&steel, 10_000, 10_000);
        let treated = story.treat_by(&steel, 10_000, "R5");
        assert_eq!(treated.warnings(), ["permit_not_valid"]);
        let treatment = treated.accepted();
        Withheld::all_of(story, treatment, 10_000).until_cleared(treatment)
    }

    OverCapacity: fn a_plant_that_is_full(app) {
        let story = Story::begin(app);
        let (site, scale) = story.plant(&story.smelter, "XD", 5_000);
        let steel = story.steel(6_000);
        let taken = hand(app, &story.centre, (&story.smelter, &site, &scale), &steel, 6_000);
        assert_eq!(taken.warnings(), ["over_capacity"]);
        let treatment = story.melted(&story.smelter, &site, &steel, 6_000);
        Withheld::all_of(story, treatment, 6_000).until_cleared(taken.accepted())
    }

    ClassUnknown: fn a_fraction_of_no_table(app) {
        let story = Story::begin(app);
        let (batch, lot) = (story.batch(10_000), new_id());
        let code = json!({"code": "19 12 02", "reason": "analysis"});
        let dismantled = story.at_centre("dismantled", json!({
            "batch": batch, "lot": lot, "fraction": "GOLD", "weight": story.weighed(10_000), "waste_code": code,
        }));
        assert_eq!(dismantled.warnings(), ["class_unknown"]);
        story.send(&lot, 10_000, 10_000);
        let treatment = story.treat(&lot, 10_000);
        story.close(&batch).accepted();
        Withheld::all_of(story, treatment, 10_000).until_cleared(dismantled.accepted())
    }

    BatchOverdue: fn a_fraction_that_left_late(app) {
        let story = Story::begin(app);
        let (lot, batch, steel) = (story.receive(&story.weighed(8_000)), new_id(), new_id());
        story.at_centre("batch_opened", json!({"batch": batch, "occurred_at": "2026-10-20T12:00:00Z"})).accepted();
        let fed = json!({"batch": batch, "items": [lot], "occurred_at": "2026-11-15T12:00:00Z"});
        story.at_centre("batch_fed", fed).accepted();
        let late = json!({"batch": batch, "lot": steel, "fraction": "FE", "weight": story.weighed(8_000)});
        let dismantled = story.at_centre("dismantled", late);
        assert_eq!(dismantled.warnings(), ["batch_overdue"]);
        story.close(&batch).accepted();
        story.send(&steel, 8_000, 8_000);
        let treatment = story.treat(&steel, 8_000);
        Withheld::all_of(story, treatment, 8_000).until_cleared(dismantled.accepted())
    }

    Disputed: fn two_scales_that_differ(app) {
        let story = Story::begin(app);
        let (steel, handover) = (story.steel(100_000), new_id());
        let lots = json!([{"lot": steel, "sent_g": 100_000}]);
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": lots});
        app.say(&story.centre, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 90_000, "tare_g": 0, "scale": story.smelter_scale});
        let lots = json!([{"weight": weight, "accepted_g": 90_000, "refused_g": 0}]);
        let taken = json!({"handover": handover, "site": story.smelter_site, "lots": lots});
        app.say(&story.smelter, "handover_accepted", &taken).accepted();
        let treatment = story.treat(&steel, 90_000);
        Withheld::all_of(story, treatment, 90_000).until(move |story| {
            for party in [&story.centre, &story.smelter] {
                app.say(party, "difference_agreed", &json!({"handover": handover})).accepted();
            }
        })
    }

    CustodyNotConfirmed: fn two_keys_in_one_hand(app) {
        let story = Story::begin(app);
        let (steel, handover) = (story.steel(10_000), new_id());
        hosted(app, &story.centre);
        hosted(app, &story.smelter);
        let lots = json!([{"lot": steel, "sent_g": 10_000}]);
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": lots});
        say_hosted(app, &story.centre, "handover_offered", &offer);
        let weight = json!({"basis": "weighed", "gross_g": 10_000, "tare_g": 0, "scale": story.smelter_scale});
        let lots = json!([{"weight": weight, "accepted_g": 10_000, "refused_g": 0}]);
        let taken = json!({"handover": handover, "site": story.smelter_site, "lots": lots});
        let taken = say_hosted(app, &story.smelter, "handover_accepted", &taken);
        let treatment = story.treat(&steel, 10_000);
        Withheld::all_of(story, treatment, 10_000).until_cleared(taken)
    }

    RelatedParties: fn a_centre_that_owns_the_furnace(app) {
        let story = Story::begin(app);
        let owned = json!({"other": story.centre.id, "kind": "control"});
        app.say(&story.smelter, "relation_declared", &owned).accepted();
        let steel = story.steel(10_000);
        let taken = story.send(&steel, 10_000, 10_000).accepted();
        let treatment = story.treat(&steel, 10_000);
        Withheld::all_of(story, treatment, 10_000).until_cleared(taken)
    }

    BorderNotCovered: fn steel_that_crossed_without_papers(app) {
        let story = Story::begin_in(app, "KE");
        let furnace = app.join_in("BE", &["treater"]);
        let (site, scale) = story.plant(&furnace, "BE", 5_000_000);
        let steel = story.steel(10_000);
        let taken = hand(app, &story.centre, (&furnace, &site, &scale), &steel, 10_000);
        assert_eq!(taken.warnings(), ["border_not_covered"]);
        let treatment = story.melted(&furnace, &site, &steel, 10_000);
        Withheld::all_of(story, treatment, 10_000).until_cleared(taken.accepted())
    }

    ExportBanned: fn boards_that_europe_sends_on_to_africa(app) {
        let story = Story::begin_in(app, "KE");
        let exporter = app.join_in("KE", &["recycler", "exporter"]);
        let (refiner, smelter) = (app.join_in("BE", &["treater", "exporter"]), app.join_in("GH", &["treater"]));
        let (yard, yard_scale) = story.plant(&exporter, "KE", 5_000_000);
        let (hoboken, hoboken_scale) = story.plant(&refiner, "BE", 5_000_000);
        let (accra, accra_scale) = story.plant(&smelter, "GH", 5_000_000);
        let batch = story.batch(20_000);
        let boards = story.fraction(&batch, "PWB_HIGH", 20_000);
        story.close(&batch).accepted();
        hand(app, &story.centre, (&exporter, &yard, &yard_scale), &boards, 20_000).accepted();
        let there = (&refiner, "BE", hoboken.as_str(), hoboken_scale.as_str());
        assert!(story.ship((&exporter, "KE", &yard), there, &boards, 20_000).is_empty());
        let back = (&smelter, "GH", accra.as_str(), accra_scale.as_str());
        let shipped = story.ship((&refiner, "BE", &hoboken), back, &boards, 20_000);
        assert_eq!(shipped, ["export_banned"]);
        let treatment = story.melted(&smelter, &accra, &boards, 20_000);
        Withheld::all_of(story, treatment, 20_000)
    }

    InterimShort: fn sorting_that_lost_a_fifth(app) {
        let story = Story::begin(app);
        let (steel, sorted) = (story.steel(50_000), new_id());
        let outputs = json!([{"lot": sorted, "fraction": "FE", "weight": story.weighed(40_000)}]);
        let treated = story.at_centre("treated_interim", json!({
            "inputs": [steel], "operation": "R12", "outputs": outputs, "loss_g": 0, "out_of_scope_g": 0,
        }));
        assert_eq!(treated.warnings(), ["interim_short"]);
        story.send(&sorted, 40_000, 40_000);
        let treatment = story.treat(&sorted, 40_000);
        Withheld::all_of(story, treatment, 40_000).until_cleared(treated.accepted())
    }

    NotReviewed: fn papers_that_nobody_has_read(app) {
        let story = Story::begin(app);
        let furnace = story.furnace();
        story.audit(&furnace, "2026-10-01", "conforms").accepted();
        let end = json!({
            "item": story.steel(7_000), "operation": "R4", "net_g": 7_000, "facility": furnace, "number": "F-1",
            "document": paper('0'),
        });
        let treatment = story.at_centre("treated_final", end).accepted();
        Withheld::all_of(story, treatment, 7_000).until(move |story| {
            let read = json!({"entry": treatment, "outcome": "accepted"});
            app.say(&story.auditor, "evidence_reviewed", &read).accepted();
        })
    }

    HeldByFinding: fn a_batch_that_an_auditor_holds(app) {
        let story = Story::begin(app);
        let (batch, treatment) = story.treated_of(10_000, 10_000);
        story.close(&batch).accepted();
        story.find(&json!({"batch": batch}), "held").accepted();
        Withheld::all_of(story, treatment, 10_000)
            .until(move |story| _ = story.find(&json!({"batch": batch}), "cleared").accepted())
    }

    CorrectionUndecided: fn a_word_that_is_taken_back_in_doubt(app) {
        let story = Story::begin(app);
        let treatment = story.whole_batch(10_000);
        let never = json!({"entry": treatment, "reason": "did_not_occur"});
        let correction = app.say(&story.smelter, "corrected", &never).accepted();
        Withheld::all_of(story, treatment, 10_000).until(move |story| {
            app.say(&story.smelter, "correction_disputed", &json!({"correction": correction})).accepted();
        })
    }

    SignalRaised: fn one_ticket_for_two_loads(app) {
        let story = Story::begin(app);
        story.gate_with(9_000, &json!({"number": "T-1"})).1.accepted();
        let (lot, again) = story.gate_with(9_000, &json!({"number": "T-1"}));
        let (_, out, _) = story.batch_into(&[lot], &[("FE", 9_000)]);
        story.send(&out[0], 9_000, 9_000);
        let treatment = story.treat(&out[0], 9_000);
        Withheld::all_of(story, treatment, 9_000).until_cleared(again.accepted())
    }

    SiteSuspended: fn a_site_that_is_suspended(app) {
        let story = Story::begin(app);
        let treatment = story.whole_batch(10_000);
        let fields = json!({"suspended_site": story.centre_site, "reason": "statements"});
        app.say(&story.auditor, "site_suspended", &fields).accepted();
        Withheld::all_of(story, treatment, 10_000).until(move |story| {
            app.say(&story.auditor, "site_restored", &json!({"restored_site": story.centre_site})).accepted();
        })
    }

    TooManyFlaws: fn more_than_can_be_cured_piece_by_piece(app) {
        let story = Story::begin(app);
        let work = json!({"year": "2026", "received_g": 5_000_000_000_i64});
        let full = json!({"changed_site": story.centre_site, "outside_work": work});
        app.say(&app.operator, "site_changed", &full).accepted();
        let loads: Vec<_> = (0..65).map(|_| story.gate(3_000)).collect();
        let lots: Vec<String> = loads.iter().map(|(lot, _)| lot.clone()).collect();
        let (_, out, _) = story.batch_into(&lots, &[("FE", 195_000)]);
        story.send(&out[0], 195_000, 195_000);
        let treatment = story.treat(&out[0], 195_000);
        // Each that can be named is cured; those beyond cannot be named.
        for (_, entry) in &loads {
            story.find(&json!({"entry": entry}), "cleared").accepted();
        }
        Withheld::all_of(story, treatment, 195_000)
    }

    KeyCompromised: fn a_key_that_was_stolen(app) {
        let story = Story::begin(app);
        let treatment = story.whole_batch(9_000);
        let revoked = json!({"kid": kid(&story.smelter.key), "reason": "compromised", "since_index": treatment});
        app.say(&app.operator, "key_revoked", &revoked).accepted();
        Withheld::all_of(story, treatment, 9_000)
    }

    CountryNotListed: fn waste_of_a_country_that_is_not_listed(app) {
        told(Story::begin_in(app, "BE"), &Told::rightly())
    }

    Imported: fn waste_that_was_brought_in(app) {
        told(Story::begin(app), &received(json!({"arising": {"country": "KE", "month": "2026-10"}})))
    }

    ManufacturingScrap: fn scrap_of_a_factory(app) {
        let provenance = json!({"kind": "manufacturing", "counted_elsewhere": "none"});
        told(Story::begin(app), &received(json!({"provenance": provenance})))
    }

    NotEquipment: fn scrap_iron_at_the_gate(app) {
        told(Story::begin(app), &received(json!({"class": "FE"})))
    }

    CountedElsewhere: fn what_a_producer_counts_too(app) {
        let provenance = json!({"kind": "business", "counted_elsewhere": "epr"});
        told(Story::begin(app), &received(json!({"provenance": provenance})))
    }

    CentreNotDeclared: fn a_centre_that_said_nothing(app) {
        let story = Story::begin(app);
        let ended = story.tell(&Told { closed: json!({"counted_elsewhere": null}), ..Told::rightly() });
        let Ended { batch, of_steel, closed, .. } = ended;
        Withheld::all_of(story, of_steel, 80_000).until(move |story| {
            let instead = json!({
                "type": "batch_closed", "occurred_at": "2026-11-23T13:00:00+02:00", "site": story.centre_site,
                "batch": batch, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none",
            });
            let fields = json!({"entry": closed, "reason": "incorrect_data", "instead": instead});
            app.say(&story.centre, "corrected", &fields).accepted();
        })
    }

    OperationNotAdmitted: fn steel_that_is_burnt(app) {
        let story = Story::begin(app);
        let batch = story.batch(100_000);
        let (most, rest) = (story.fraction(&batch, "FE", 95_000), story.fraction(&batch, "FE", 5_000));
        story.send(&most, 95_000, 95_000);
        story.send(&rest, 5_000, 5_000);
        let burnt = story.treat_by(&rest, 5_000, "D10").accepted();
        story.treat(&most, 95_000);
        story.close(&batch).accepted();
        Withheld::all_of(story, burnt, 5_000).beside(95)
    }

    ResidualShareExceeded: fn boards_that_are_burnt_beyond_a_fifth(app) {
        let story = Story::begin(app);
        let ended = story.tell(&Told { boards_by: "D10", boards_g: 21_000, ..Told::rightly() });
        Withheld::all_of(story, ended.of_boards.expect("boards"), 21_000).beside(79)
    }

    BatchIncomplete: fn boards_that_stay_at_the_centre(app) {
        let story = Story::begin(app);
        let ended = story.tell(&Told { are_boards_sent: false, ..Told::rightly() });
        Withheld::all_of(story, ended.of_steel, 80_000)
            .until(move |story| _ = story.send(&ended.boards, 20_000, 20_000).accepted())
    }

    PartsNotAccountedFor: fn laptops_without_a_word_about_batteries(app) {
        let story = Story::begin(app);
        let ended = story.tell(&received(json!({"missing": null})));
        let Ended { lot, received, of_steel, .. } = ended;
        Withheld::all_of(story, of_steel, 80_000).until(move |story| {
            let counted = json!({
                "pieces": 40, "missing": [{"part": "batteries", "count": 40}], "site": story.centre_site,
            });
            let right = with(story.receipt(&lot, &story.weighed(100_000)), &counted);
            let correction = app.say(&story.centre, "corrected", &instead(received, "received", &right)).accepted();
            app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        })
    }

    NotLookedAt: fn what_a_stolen_key_found_of_the_furnace(app) {
        let story = Story::begin(app);
        let thief = app.join(&["auditor"]);
        let adverse = audit_fields(&story.smelter_site, "2026-11-01", "does_not_conform");
        let adverse = app.say(&thief, "site_audited", &adverse).accepted();
        let treatment = story.whole_batch(10_000);
        story.lacks(treatment, "treatment_site_not_audited");
        let lost = json!({"kid": kid(&thief.key), "reason": "compromised", "since_index": adverse});
        app.say(&app.operator, "key_revoked", &lost).accepted();
        Withheld::all_of(story, treatment, 10_000)
            .until(move |story| _ = story.find(&json!({"treatment": treatment}), "cleared").accepted())
    }
}

/// No rule is without a case: those of the scheme as it is shown to the world are those of the table.
#[test]
fn every_rule_has_a_case() {
    let app = TestApp::start(Kind::Sqlite);
    let scheme = app.get("/v1/reference/scheme", "").json();
    let rules = scheme["scheme"]["rules"].as_array().expect("rules").clone();
    let shown: BTreeSet<String> = rules.iter().map(|rule| rule["code"].as_str().expect("a code").to_owned()).collect();
    let told: BTreeSet<String> = CASES.iter().map(|gap| gap.as_str().to_owned()).collect();
    assert_eq!(shown, told);
    assert_eq!((rules.len(), CASES.len()), (told.len(), told.len()), "each once");
    assert_eq!(CASES.len(), Gap::ALL.len());
}

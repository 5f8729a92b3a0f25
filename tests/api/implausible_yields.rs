//! What a batch must have given, where receipts counted parts missing, or where nobody counted what came out.

use crate::harness::{TestApp, both_databases, new_id};
use crate::signals::{all, told};
use crate::story::Story;
use serde_json::json;

/// What comes out of 200 kg of laptops without a fault, but for batteries.
const BOARDS: (&str, i64) = ("PWB_HIGH", 20_000);

both_databases! {
    /// 39 of 40 came without batteries, and those of the last came out: the others owe none.
    fn batteries_of_the_last_laptop(kind) {
        for (rules, without, batteries_g, is_plausible) in [
            ("4", 39, 600, false),
            ("5", 39, 600, true),
            ("5", 39, 100, true),
            ("5", 39, 99, false),
            ("5", 0, 600, false),
            ("5", 40, 0, true),
        ] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = Story::begin(&app);
            let lots = [100_000, 100_000].map(|grams| story.laptops(grams, 40, without));
            let fractions = [BOARDS, ("FE", 200_000 - BOARDS.1 - batteries_g), ("BAT_LI", batteries_g)];
            let fractions: Vec<(&str, i64)> = fractions.into_iter().filter(|(_, grams)| *grams > 0).collect();
            let closed = story.batch_into(&lots, &fractions).2;
            assert_eq!(told(&closed).is_empty(), is_plausible, "{without} without, {batteries_g} g, rule set {rules}");
            assert_eq!(all(&app).is_empty(), is_plausible);
        }
    }

    /// Of what came out before anybody counted it nobody knows how much it was: then none is too little, and too much still is.
    fn batteries_that_were_not_counted(kind) {
        for (rules, boards_g, signals) in [("4", 20_000, 1), ("5", 20_000, 0), ("5", 1_000, 1)] {
            let app = TestApp::start(kind);
            app.adopt_rules("2");
            let (story, batch) = (Story::begin(&app), new_id());
            story.at_centre("batch_opened", json!({"batch": batch})).accepted();
            let lot = story.laptops(200_000, 80, 0);
            story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
            story.fraction(&batch, "BAT_LI", 20_000);
            app.adopt_rules(rules);
            story.fraction(&batch, "PWB_HIGH", boards_g);
            story.fraction(&batch, "FE", 180_000 - boards_g);
            assert_eq!(told(&story.close(&batch)).len(), signals, "{boards_g} g of boards, rule set {rules}");
        }
    }
}

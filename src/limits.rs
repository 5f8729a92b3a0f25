//! Every maximum of the service in one place, unit last. What has no limit can be used to exhaust us.

/// Largest integer of a payload: 2^53 - 1, exact in every JSON parser.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;
/// A payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// One stated weight, in grams: 1,000 tonnes. With it no sum of an account can leave the range of 64 bits: that would
/// take nine thousand million entries of this size.
pub const WEIGHT_G_MAX: i64 = 1_000_000_000;
/// Nesting of a payload; the outermost object is depth 1.
pub const PAYLOAD_DEPTH_MAX: usize = 8;
/// Elements of one list, and members of one object, in a payload.
pub const PAYLOAD_LIST_MAX: usize = 256;
/// The protected header of a statement, in bytes.
pub const HEADER_BYTES_MAX: usize = 512;
/// A compact JWS: header, payload and signature in base64url with two dots, in bytes.
pub const STATEMENT_BYTES_MAX: usize = HEADER_BYTES_MAX.div_ceil(3) * 4 + PAYLOAD_BYTES_MAX.div_ceil(3) * 4 + 86 + 2;
/// An entry, in bytes: an entry bundle of tlog-tiles prefixes each with a 16-bit length.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// A bundle of 256 entries as tlog-tiles has it, in bytes: entries with their lengths.
pub const ENTRY_BUNDLE_BYTES_MAX: usize = 256 * (ENTRY_BYTES_MAX + 2);
/// A tile of 256 hashes, in bytes.
pub const TILE_BYTES_MAX: usize = 256 * 32;
/// An opening's value, in bytes of UTF-8.
pub const OPENING_BYTES_MAX: usize = 1_024;
/// Openings beside one statement.
pub const OPENINGS_MAX: usize = 64;
/// One line of a batch, and the body of a single post: statement and openings, in bytes.
pub const LINE_BYTES_MAX: usize = 128 * 1024;
/// Lines of one batch.
pub const BATCH_LINES_MAX: usize = 1_000;
/// The body of a batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Statements that wait for the sequencer, over all requests; more is answered with 503.
pub const QUEUE_STATEMENTS_MAX: usize = 8_192;
/// Statements in one transaction.
pub const COMMIT_STATEMENTS_MAX: usize = 2_048;
/// Binds in one query; SQLite takes 32,766, and short lists keep plans stable.
pub const QUERY_BINDS_MAX: usize = 500;
/// Times that one statement may ask for more of the state: a correction asks for a lineage step by step.
pub const LOAD_ROUNDS_MAX: usize = 512;
/// The same while entries are replayed, where less may be loaded already than when they were written.
pub const REPLAY_LOAD_ROUNDS_MAX: usize = 65_536;
/// Entries that are replayed in one transaction.
pub const REPLAY_BATCH_ENTRIES: i64 = 4_096;
/// Bytes of entries after which a batch of an audit takes no further bundle.
pub const REPLAY_BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Records that a replay keeps in memory from one batch to the next.
pub const REPLAY_RECORDS_MAX: usize = 30_000;
/// Files of tiles that an audit fetches from a service at once.
pub const AUDIT_FETCHES_AT_ONCE: usize = 8;
/// How often an audit asks for one file before it gives up; it can go on from there later.
pub const AUDIT_TRIES: u32 = 6;
/// How long an audit lets a service put it off at one time, in seconds.
pub const AUDIT_RETRY_AFTER_SECONDS_MAX: u64 = 60;
/// Findings of one severity that an audit keeps; more than these add nothing for whoever looks.
pub const AUDIT_FINDINGS_MAX: usize = 200;
/// Keys that are remembered; a key's bytes never change, so forgetting is only a matter of space.
pub const REMEMBERED_KEYS_MAX: usize = 100_000;
/// Entries that one correction runs again.
pub const RERUN_ENTRIES_MAX: usize = 1_000;
/// Records that one correction changes.
pub const RERUN_RECORDS_MAX: usize = 2_000;
/// Corrections of one entry.
pub const CORRECTIONS_MAX: usize = 32;
/// Organisations that are asked about one correction; where it concerns more, an auditor decides.
pub const COUNTERPARTIES_MAX: usize = 16;
/// Times that one question may ask for more of the state before this counts as a bug.
pub const ASK_ROUNDS_MAX: usize = 256;
/// A bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Entries of lineage in a bundle, beside those that a certificate cannot do without.
pub const BUNDLE_LINEAGE_MAX: usize = 2_000;
/// Entries in a bundle that take out of batches what a scheme looks for among their outputs, and their corrections.
pub const BUNDLE_EXPECTED_MAX: usize = 2_000;
/// Entries on paths of batches that are looked at to count what a certificate rests on: anybody may ask for that.
pub const COUNTED_GLANCES_MAX: usize = 4_000;
/// Blocks of which a certificate is a part that one question reads.
pub const ANCESTORS_MAX: usize = 1_000;
/// Later events that the status of a certificate lists.
pub const STATUS_EVENTS_MAX: usize = 1_000;
/// Parts of a certificate that its status looks at.
pub const STATUS_PARTS_MAX: usize = 2_000;
/// Longest time, type or id that is read in such an answer, in bytes.
pub const STATUS_TEXT_MAX: usize = 200;
/// Treatments that one sample is drawn from; each takes 16 bytes while it is.
pub const SAMPLE_TREATMENTS_MAX: usize = 10_000_000;
/// Treatments that one sample draws.
pub const SAMPLE_COUNT_MAX: u64 = 10_000;
/// Lots between a batch and a treatment that a sample shows.
pub const SAMPLE_LOTS_MAX: usize = 64;
/// Items and batches of a lineage that a path follows, in each direction.
pub const LINEAGE_NODES_MAX: usize = 1_000;
/// Allotments of one issue: a payload's list.
pub const ALLOTMENTS_MAX: usize = PAYLOAD_LIST_MAX;
/// Sources of one lot (rules.md §5).
pub const SOURCES_MAX: usize = 256;
/// Flaws that are kept one by one with an item, so that each can be cured.
pub const FLAWS_MAX: usize = 64;
/// Organisations that are remembered to have handed waste on; the latest are kept.
pub const HANDED_ON_MAX: usize = 64;
/// Loads that are remembered of one weighbridge ticket; the last are kept.
pub const TICKET_USES_MAX: usize = 32;
/// Legs of one handover's way.
pub const LEGS_MAX: usize = 64;
/// Changes of one site, and its suspensions.
pub const SITE_HISTORY_MAX: usize = 256;
/// Days on which something was due that one question looks at.
pub const DUES_READ_MAX: usize = 2_000;
/// Signals that are read for one page, whether they pass its filter or not.
pub const SIGNALS_READ_MAX: usize = 2_000;
/// Treatments that are looked at for one page of doubts.
pub const DOUBTS_READ_MAX: usize = 1_000;
/// Treatments that are looked at together for a page of doubts.
pub const DOUBTS_AT_ONCE: i64 = 25;
/// Certificates that one doubt names.
pub const DOUBTED_MAX: usize = 100;
/// Certificates with which a page of doubts ends.
pub const DOUBTED_PAGE_MAX: usize = 1_000;
/// Statements of one organisation that wait.
pub const WAITING_OF_ONE_MAX: i64 = 1_000;
/// The same, in bytes of statements and openings.
pub const WAITING_BYTES_OF_ONE_MAX: i64 = 8 * 1024 * 1024;
/// Statements of all organisations that wait.
pub const WAITING_OF_ALL_MAX: i64 = 20_000;
/// The same, in bytes of statements and openings.
pub const WAITING_BYTES_OF_ALL_MAX: i64 = 128 * 1024 * 1024;
/// Statements of one organisation that were refused at their turn or expired and can still be read; older ones go.
pub const WAITING_DEAD_OF_ONE_MAX: i64 = 200;
/// Waiting statements that have their turn in one transaction; a later one goes on, so that nobody's request waits long.
pub const WAITING_TURNS_MAX: usize = 64;
/// Turns at which one statement may find an item that has still to move; then it is refused. An item of a sender who is late
/// takes two: registered, offered.
pub const WAITING_TURNS_OF_ONE_MAX: i64 = 128;
/// How long after its time a statement that waited in vain or was refused can still be read, in days.
pub const WAITING_SHOWN_DAYS: i64 = 30;
/// Devices and parts after which a page of a donation's report ends; it ends with a whole statement of the donor.
pub const DONATION_PAGE_ITEMS: usize = 250;
/// Devices and parts of a donation that its totals are taken over, and statements about it that are read for them.
pub const DONATION_READ_MAX: usize = 100_000;
/// Lots and batches into which a donation is followed.
pub const DONATION_NODES_MAX: usize = 20_000;
/// Trainings that a donation's report lists one by one.
pub const DONATION_TRAININGS_MAX: usize = 200;
/// Statements about one device that a donation's report looks at.
pub const DEVICE_ENTRIES_MAX: usize = 1_000;
/// Kilograms of one order: 1,000 tonnes.
pub const ORDER_KG_MAX: i64 = 1_000_000;
/// Lines of devices in one order.
pub const ORDER_DEVICES_MAX: usize = 64;
/// Stretches of units that one order takes at once, and blocks that one step delivers: with what lies between them they fit
/// into one split.
pub const ORDER_STRETCHES_MAX: usize = 100;
/// Orders of one organisation that are neither delivered nor over.
pub const ORDERS_OPEN_OF_ONE_MAX: i64 = 50;
/// Kilograms of one centre that may be held for one buyer before they are paid, whatever the centre has.
pub const ORDERS_UNPAID_KG_FREE: i64 = 1_000;
/// Beyond that, the part of the centre's stock; with orders that wait, of stock and outlook together: one half.
pub const ORDERS_UNPAID_PART: i64 = 2;
/// Entries with which a block, or one of which it is a part, left its centre's account, of which a certificate's page asks what was
/// paid: the last ones.
pub const SALES_READ_MAX: usize = 100;
/// Orders of one organisation that lapsed or were cancelled and can still be read; older ones go.
pub const ORDERS_DEAD_OF_ONE_MAX: i64 = 200;
/// How long units are reserved for an order that nobody has paid, in milliseconds of ledger time: 72 hours.
pub const ORDER_LAPSE_MS: i64 = 72 * 60 * 60 * 1_000;
/// The reference of a payment, in bytes.
pub const ORDER_REFERENCE_BYTES_MAX: usize = 64;
/// Requests about orders that wait for their turn on one node; more is answered with 503.
pub const ORDER_TURNS_WAITING_MAX: usize = 256;
/// Orders that nobody paid in time and that lapse in one transaction; the next one goes on.
pub const ORDERS_LAPSED_MAX: i64 = 64;
/// Orders that are paid and wait and that are looked at in one transaction; the next one goes on.
pub const ORDERS_LOOKED_AT_MAX: i64 = 1_000;
/// Of these the orders that get something.
pub const ORDERS_SERVED_MAX: i64 = 64;
/// Transactions that settle what is due before a request about an order has its own; then it is answered with 503.
pub const ORDER_SETTLINGS_MAX: u32 = 64;
/// Rows of the stock that are read for one order, or for all that wait for one centre.
pub const STOCK_ROWS_READ_MAX: usize = 5_000;
/// Pause between two looks of a node at what is due of orders, in milliseconds.
pub const ORDER_LOOK_PAUSE_MS: u64 = 1_000;
/// The same after a look that failed: 10 seconds.
pub const ORDER_FAULT_PAUSE_MS: u64 = 10_000;
/// Sites that are looked at, of all centres or of one that is named, for what an advance order may wait for. On a ledger with
/// more of them an order names its centre.
pub const ADVANCE_SITES_MAX: usize = 1_000;
/// Organisations that are looked at for whether one of them may issue what is ordered; beyond these it is taken for granted.
pub const ISSUERS_READ_MAX: usize = 5_000;
/// Months back from today whose pools count for what an advance order may wait for.
pub const ADVANCE_POOL_MONTHS: i64 = 24;
/// Rows of one page.
pub const PAGE_ROWS_MAX: i64 = 200;
/// Batches on a page of what lies between a site's gate and its certificates.
pub const SITE_BATCHES_MAX: i64 = 50;
/// Treatments behind such a page, at most, unless its first batch alone has more.
pub const SITE_TREATMENTS_MAX: usize = 2_000;
/// How long `?wait=proof` waits for a checkpoint, in milliseconds.
pub const PROOF_WAIT_MS_MAX: u64 = 10_000;
/// How long `?wait=witnessed` waits for a quorum, in milliseconds: a pause, a round and some more.
pub const WITNESS_WAIT_MS_MAX: u64 = 20_000;
/// Pause between two checkpoints, in milliseconds.
pub const PUBLISH_PAUSE_MS: u64 = 250;
/// Pauses of the publisher between two looks at the guard while nothing is appended: a minute.
pub const GUARD_LOOK_TICKS: u32 = 240;
/// Most pauses of the publisher until a guard that does not answer is asked again: 4 seconds.
pub const GUARD_WAIT_TICKS_MAX: u32 = 16;
/// Pauses of the publisher between two attempts to empty SQLite's log of what was deleted: 2 seconds.
pub const LOG_RETRY_TICKS: u32 = 8;
/// How far a node's clock may lie behind the ledger's head, in milliseconds.
pub const CLOCK_BEHIND_HEAD_MS_MAX: i64 = 5_000;
/// How far a node's clock may lie off the database's, in milliseconds.
pub const CLOCK_OFF_DATABASE_MS_MAX: i64 = 2_000;
/// Signature lines of one checkpoint note that are read; C2SP asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// A checkpoint note, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// A policy file, in bytes.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;
/// Lines of a policy file that say something; C2SP asks for at least 32 logs, 32 witnesses and 32 groups.
pub const POLICY_LINES_MAX: usize = 256;
/// Hashes of a proof: one for each bit of the tree's size.
pub const PROOF_HASHES_MAX: usize = 64;
/// One object of a bucket or folder, in bytes: above the longest bundle of 256 entries.
pub const OBJECT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// One request to a bucket, in seconds.
pub const OBJECT_SECONDS_MAX: u64 = 20;
/// Connecting to a bucket, in seconds.
pub const OBJECT_CONNECT_SECONDS_MAX: u64 = 5;
/// Pause between two copies of the tree to a mirror, in milliseconds. Each leaves the partial tiles of its checkpoint
/// behind, up to one a level: at most some 70,000 small files a day.
pub const MIRROR_PAUSE_MS: u64 = 5_000;
/// Longest pause before a mirror that fails is tried again, in milliseconds.
pub const MIRROR_RETRY_MS_MAX: u64 = 60_000;
/// Entries that the self-audit takes in one transaction: few, so that it never holds a core for long.
pub const SELF_AUDIT_BATCH_ENTRIES: u64 = 128;
/// Least pause between two passes of the self-audit, in milliseconds.
pub const SELF_AUDIT_PAUSE_MS: u64 = 60_000;
/// What a service answers to a verifier, in bytes.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Hashes of a consistency proof that a log sends to a witness (C2SP tlog-witness).
pub const WITNESS_PROOF_HASHES_MAX: usize = 63;
/// A request to a witness: the old size, the proof and the note, in bytes.
pub const WITNESS_REQUEST_BYTES_MAX: usize = 32 + WITNESS_PROOF_HASHES_MAX * 45 + NOTE_BYTES_MAX;
/// A witness's answer that is read, in bytes.
pub const WITNESS_ANSWER_BYTES_MAX: u64 = NOTE_BYTES_MAX as u64;
/// Cosignature lines of one checkpoint that are served beside the log's own.
pub const COSIGNATURES_SERVED_MAX: usize = 60;
/// Cosignatures, newest checkpoints first, among which the newest quorum is looked for.
pub const COSIGNATURES_READ_MAX: i64 = 256;
/// How long one request to a witness may take, in milliseconds.
pub const WITNESS_TIMEOUT_MS: u64 = 10_000;
/// Longest pause before a witness that did not answer is asked again, in milliseconds.
pub const WITNESS_BACKOFF_MS_MAX: u64 = 60_000;
/// How far a witness's clock may lie behind its last cosignature, in seconds; within that it repeats the last time.
pub const WITNESS_CLOCK_BEHIND_S_MAX: u64 = 86_400;
/// The earliest time that a witness's clock may show, in seconds since 1970: the first day of 2026.
pub const WITNESS_CLOCK_S_MIN: u64 = 1_767_225_600;
/// The latest, the first day of 2100: one cosignature beyond would bind every later one.
pub const WITNESS_CLOCK_S_MAX: u64 = 4_102_444_800;
/// Lifetime of a token where its maker names none, in days.
pub const TOKEN_DAYS_DEFAULT: i64 = 365;
/// Longest lifetime of a token, in days.
pub const TOKEN_DAYS_MAX: i64 = 730;

// An entry frames one statement with some 260 bytes; the longest statement must fit.
const _: () = assert!(STATEMENT_BYTES_MAX + 1_024 <= ENTRY_BYTES_MAX);
// An entry bundle of tlog-tiles holds 256 entries, each behind two bytes of length.
const _: () = assert!(256 * (ENTRY_BYTES_MAX as u64 + 2) <= OBJECT_BYTES_MAX);
// A line holds the longest statement; its openings share the rest.
const _: () = assert!(STATEMENT_BYTES_MAX + OPENINGS_MAX * 64 < LINE_BYTES_MAX);
// What lies between the stretches of an order, before the first and behind the last, is part of the split too.
const _: () = assert!(2 * ORDER_STRETCHES_MAX < PAYLOAD_LIST_MAX);
// One batch with mode=all must fit into one transaction, and one transaction into the queue.
const _: () = assert!(BATCH_LINES_MAX <= COMMIT_STATEMENTS_MAX && COMMIT_STATEMENTS_MAX <= QUEUE_STATEMENTS_MAX);

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| loopledger_fuzz::entry_bundle_of(data));

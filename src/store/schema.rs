//! One schema for both databases: BigInt, Text, Binary, Bool, nothing else.

diesel::table! {
    entries (idx) {
        idx -> BigInt,
        bytes -> Binary,
        leaf_hash -> Binary,
        organisation -> Binary,
        statement_id -> Binary,
        payload_sha256 -> Binary,
        warnings -> Text,
    }
}

diesel::table! {
    tiles (level, n) {
        level -> BigInt,
        n -> BigInt,
        root -> Binary,
        hashes -> Binary,
    }
}

diesel::table! {
    checkpoints (size) {
        size -> BigInt,
        root -> Binary,
        note -> Text,
    }
}

diesel::table! {
    cosignatures (size, witness) {
        size -> BigInt,
        witness -> Text,
        time -> BigInt,
        line -> Text,
    }
}

diesel::table! {
    shown (id) {
        id -> BigInt,
        size -> BigInt,
    }
}

diesel::table! {
    head (id) {
        id -> BigInt,
        size -> BigInt,
        chain_hash -> Binary,
        frontier -> Binary,
        time_ms -> BigInt,
        lock_count -> BigInt,
        halted -> BigInt,
    }
}

diesel::table! {
    halts (number) {
        number -> BigInt,
        reason -> Text,
        halted_ms -> BigInt,
        because -> Text,
        resumed_ms -> BigInt,
    }
}

diesel::table! {
    loopledger_guard (origin) {
        origin -> Text,
        note -> Text,
    }
}

diesel::table! {
    derived (id) {
        id -> BigInt,
        form -> BigInt,
    }
}

diesel::table! {
    openings (idx, pointer) {
        idx -> BigInt,
        pointer -> Text,
        salt -> Binary,
        value -> Text,
    }
}

diesel::table! {
    records (id, kind) {
        id -> Text,
        kind -> Text,
        body -> Text,
        since -> BigInt,
        before -> Nullable<BigInt>,
    }
}

diesel::table! {
    past (since, id, kind) {
        since -> BigInt,
        id -> Text,
        kind -> Text,
        before -> Nullable<BigInt>,
        body -> Text,
    }
}

diesel::table! {
    bookings (idx, account, site) {
        idx -> BigInt,
        account -> Text,
        site -> Text,
        grams -> BigInt,
    }
}

diesel::table! {
    mentions (subject, idx) {
        subject -> Text,
        idx -> BigInt,
    }
}

diesel::table! {
    accounts (account, site) {
        account -> Text,
        site -> Text,
        grams -> BigInt,
    }
}

diesel::table! {
    blocks (serial) {
        serial -> Text,
        pool -> Text,
        first_unit -> BigInt,
        last_unit -> BigInt,
        country -> Text,
        site_code -> Text,
        vintage -> Text,
        status -> Text,
        expires -> Nullable<Text>,
        retired_entry -> Nullable<BigInt>,
        claimed_by -> Nullable<Text>,
        period_from -> Nullable<Text>,
        period_until -> Nullable<Text>,
        failing_since -> Nullable<Text>,
    }
}

diesel::table! {
    holdings (since, serial) {
        since -> BigInt,
        serial -> Text,
        holder -> Text,
        until -> Nullable<BigInt>,
    }
}

diesel::table! {
    account_changes (holder, idx, serial, kind) {
        holder -> Text,
        idx -> BigInt,
        serial -> Text,
        kind -> Text,
        units -> Text,
    }
}

diesel::table! {
    companies (name, idx) {
        name -> Binary,
        idx -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(blocks, companies);

diesel::table! {
    tokens (id) {
        id -> Text,
        secret_sha256 -> Binary,
        organisation -> Text,
        scopes -> Text,
        created_ms -> BigInt,
        expires_ms -> BigInt,
        revoked_ms -> Nullable<BigInt>,
        person -> Nullable<Text>,
    }
}

diesel::table! {
    waiting (number) {
        number -> BigInt,
        organisation -> Text,
        statement_id -> Text,
        type_name -> Text,
        payload_sha256 -> Binary,
        jws -> Text,
        openings -> Text,
        bytes -> BigInt,
        posted_by -> Text,
        posted_ms -> BigInt,
        until_ms -> BigInt,
        standing -> Text,
        turns -> BigInt,
        awaited_kind -> Text,
        awaited_id -> Text,
        awaited_pointer -> Text,
        problem_code -> Text,
        problem_pointer -> Text,
        problem_detail -> Text,
    }
}

diesel::table! {
    stock (serial) {
        serial -> Text,
        pool -> Text,
        first_unit -> BigInt,
        last_unit -> BigInt,
        seller -> Text,
        country -> Text,
        vintage -> BigInt,
        issuer -> Text,
        expires -> Text,
    }
}

diesel::table! {
    orders (number) {
        number -> BigInt,
        id -> Text,
        content_sha256 -> Binary,
        buyer -> Text,
        seller -> Text,
        units -> BigInt,
        devices -> Text,
        country -> Text,
        centre -> Text,
        vintage_from -> Text,
        vintage_until -> Text,
        delivery -> Text,
        period_from -> Text,
        period_until -> Text,
        purpose_kind -> Text,
        advance -> BigInt,
        standing -> Text,
        created_ms -> BigInt,
        until_ms -> BigInt,
        paid_number -> BigInt,
        paid_ms -> BigInt,
        payment -> Text,
        refund_asked_ms -> BigInt,
        refund_declined_ms -> BigInt,
        refunded_ms -> BigInt,
        refund -> Text,
        names_buyer -> BigInt,
    }
}

diesel::table! {
    unserved (seller) {
        seller -> Text,
        after -> BigInt,
    }
}

diesel::table! {
    order_units (order_id, pool, first_unit, entry) {
        order_id -> Text,
        pool -> Text,
        first_unit -> BigInt,
        last_unit -> BigInt,
        seller -> Text,
        expires -> Text,
        entry -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(stock, order_units);
diesel::allow_tables_to_appear_in_same_query!(orders, order_units);

diesel::table! {
    order_values (order_id, pointer) {
        order_id -> Text,
        pointer -> Text,
        value -> Text,
    }
}

diesel::table! {
    hosted_keys (kid) {
        kid -> Text,
        organisation -> Text,
        purpose -> Text,
        sealed -> Binary,
        created_ms -> BigInt,
    }
}

// An audit's own database alone has the tables below.

diesel::table! {
    audit (id) {
        id -> BigInt,
        progress -> Text,
    }
}

diesel::table! {
    stretches (treatment, from_g, of_id) {
        treatment -> BigInt,
        from_g -> BigInt,
        of_id -> Text,
        to_g -> BigInt,
        kind -> Text,
    }
}

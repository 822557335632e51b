//! What wit-bindgen makes of `wit/provider.wit`: the only generated code, and the only place with `unsafe`.

#![allow(unsafe_code, missing_docs, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "provider-world",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "bulkhead_sdk::bindings",
    additional_derives: [PartialEq],
});

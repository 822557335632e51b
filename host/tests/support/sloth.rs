//! A component that takes long to compile.

/// A component whose one function is nothing but instructions that compilers make much of: some minutes' work.
pub fn sloth() -> Vec<u8> {
    sloth_with("")
}

/// The same with these imports.
pub fn sloth_with(imports: &str) -> Vec<u8> {
    let copies = "local.get 0 local.get 0 local.get 0 memory.copy\n".repeat(200_000);
    let text = format!("(component {imports} (core module (memory 1) (func (param i32) {copies})))");
    wat::parse_str(&text).expect("WAT")
}

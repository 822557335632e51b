//! The provider that most suites call.

/// hello-rs with one tool that only operators may call.
pub const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, class: read, min_role: ops_operator, schema_version: '1.0' }
";

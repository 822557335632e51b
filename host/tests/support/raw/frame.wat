;; The frame of every hostile provider: the canonical ABI of the contract by hand. A part is left out where the provider's
;; own text contains what the part is marked with.
(module
  (type $tool (func (param $input i32) (param $input_len i32) (result i32)))

  (import "bulkhead:provider/outbound-http@1.0.0" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "bulkhead:provider/outbound-http@1.0.0" "send-all" (func $send-all (param i32 i32 i32)))
  (import "bulkhead:provider/secrets@1.0.0" "reference" (func $reference (param i32 i32 i32)))
  (import "bulkhead:provider/secrets@1.0.0" "reveal" (func $reveal (param i32 i32 i32)))
  (import "bulkhead:provider/events@1.0.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
  (import "bulkhead:provider/events@1.0.0" "log" (func $log (param i32 i32 i32)))
  {imports}

;; part (memory (export
  (memory (export "memory") {pages})
;; part <table>
  (table $table 4 funcref)
;; part <of every provider>
  (global $next (mut i32) (i32.const {heap}))
  {data}
  ;; "{}", an answer that is fine, and a text to show; address 0 to 63 is for results.
  (data (i32.const 64) "{}")

  ;; So many bytes of zeroed memory, at a multiple of 16.
  (func $alloc (param $size i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (if (i32.lt_u (local.get $end) (local.get $at)) (then unreachable))
    (block $enough
      (loop $more
        (br_if $enough (i32.le_u (local.get $end) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.add (i32.const 1) (i32.shr_u (i32.sub (local.get $end)
              (i32.mul (memory.size) (i32.const 65536))) (i32.const 16)))) (i32.const -1)) (then unreachable))
        (br $more)))
    (global.set $next (local.get $end))
    (local.get $at))

  ;; So many bytes, all of them this one.
  (func $filled (param $byte i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (call $alloc (local.get $size)))
    (memory.fill (local.get $at) (local.get $byte) (local.get $size))
    (local.get $at))

  ;; An output of these bytes and a list of contents.
  (func $answer (param $at i32) (param $len i32) (param $contents i32) (param $count i32) (result i32)
    (local $result i32)
    (local.set $result (call $alloc (i32.const 40)))
    (i32.store offset=8 (local.get $result) (local.get $at))
    (i32.store offset=12 (local.get $result) (local.get $len))
    (i32.store offset=16 (local.get $result) (local.get $contents))
    (i32.store offset=20 (local.get $result) (local.get $count))
    (local.get $result))

  ;; An output of these bytes.
  (func $ok (param $at i32) (param $len i32) (result i32)
    (call $answer (local.get $at) (local.get $len) (i32.const 0) (i32.const 0)))

  ;; The output {}.
  (func $done (result i32) (call $ok (i32.const 64) (i32.const 2)))

  ;; An error with this code and message.
  (func $fail (param $code i32) (param $at i32) (param $len i32) (result i32)
    (local $result i32)
    (local.set $result (call $alloc (i32.const 40)))
    (i32.store8 (local.get $result) (i32.const 1))
    (i32.store8 offset=8 (local.get $result) (local.get $code))
    (i32.store offset=12 (local.get $result) (local.get $at))
    (i32.store offset=16 (local.get $result) (local.get $len))
    (local.get $result))

  (func $same (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32)
    (local $i i32)
    (if (i32.ne (local.get $a_len) (local.get $b_len)) (then (return (i32.const 0))))
    (block $out
      (loop $more
        (br_if $out (i32.eq (local.get $i) (local.get $a_len)))
        (if (i32.ne (i32.load8_u (i32.add (local.get $a) (local.get $i)))
                    (i32.load8_u (i32.add (local.get $b) (local.get $i)))) (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $more)))
    (i32.const 1))

  (func (export "{interface}call-tool")
    (param $call i32) (param $call_len i32) (param $corr i32) (param $corr_len i32) (param $deadline i32)
    (param $settings i32) (param $settings_len i32) (param $now i64)
    (param $name i32) (param $name_len i32) (param $input i32) (param $input_len i32) (result i32)
    {dispatch}
    unreachable)

  {text}

;; part "cabi_realloc"
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (call $alloc (local.get $size)))
;; part "{interface}describe"
  (func (export "{interface}describe") (result i32) (i32.const {described}))
;; part "{interface}read-resource"
  (func (export "{interface}read-resource") (param i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
    (call $alloc (i32.const 40)))
;; part "{interface}get-prompt"
  (func (export "{interface}get-prompt") (param i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32) (result i32)
    (call $alloc (i32.const 40)))
;; part "{interface}check-health"
  (func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
    (call $alloc (i32.const 12)))
;; part <of every provider>
)

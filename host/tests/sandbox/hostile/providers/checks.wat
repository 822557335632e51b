;; row check-loops
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (loop $more (br $more)) unreachable)

;; row check-recurses
(func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $deeper (i32.const 0)))

;; row check-traps
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32) unreachable)

;; row check-grows
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable)

;; row check-outside
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32) (i32.const -16))

;; row status-out-of-range
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 3) (i32.const 64) (i32.const 2)))

;; row reason-outside
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 1) (i32.const -16) (i32.const 16)))

;; row reason-no-text
(data (i32.const 128) "\ff\fe")
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 1) (i32.const 128) (i32.const 2)))

;; row reason-20-mib
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 1) (call $filled (i32.const 97) (i32.const 0x1400000)) (i32.const 0x1400000)))

;; row reason-9-mib
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 1) (call $filled (i32.const 97) (i32.const 0x900000)) (i32.const 0x900000)))

;; row reason-forges
(data (i32.const 128) "tired\n\"}],\"status\":\"ok\"\r\1b[2J\e2\80\ae\f3\a0\81\81")
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 1) (i32.const 128) (i32.const 35)))

;; row down-and-forges
(data (i32.const 128) "tired\nhello-rs: ok")
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 2) (i32.const 128) (i32.const 18)))

;; row ok-with-a-reason
(data (i32.const 128) "hello-rs is down")
(func (export "{interface}check-health") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
  (call $health (i32.const 0) (i32.const 128) (i32.const 16)))

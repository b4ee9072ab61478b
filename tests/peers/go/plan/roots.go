package plan

import "sync"

// Root is what the clients tell a server that asks for roots.
const Root = "file:///here"

// Roots knows whether the server has asked for them.
type Roots struct {
	once  sync.Once
	asked chan struct{}
}

// NewRoots is for one session.
func NewRoots() *Roots { return &Roots{asked: make(chan struct{})} }

// Asked is called whenever the server asks.
func (r *Roots) Asked() { r.once.Do(func() { close(r.asked) }) }

// AwaitRoots returns once it has.
func (r *Roots) AwaitRoots() { <-r.asked }

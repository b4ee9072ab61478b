package plan

import "sync"

// Root is the root that the clients return to a server.
const Root = "file:///here"

// Roots records whether the server has requested the roots.
type Roots struct {
	once  sync.Once
	asked chan struct{}
}

// NewRoots returns the record of one session.
func NewRoots() *Roots { return &Roots{asked: make(chan struct{})} }

// Asked is called at each request of the server.
func (r *Roots) Asked() { r.once.Do(func() { close(r.asked) }) }

// AwaitRoots returns after the first request.
func (r *Roots) AwaitRoots() { <-r.asked }

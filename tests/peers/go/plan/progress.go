package plan

import (
	"fmt"
	"sync"
)

// Progress forwards the notifications of the current operation only: those of an earlier one may come late.
type Progress struct {
	mutex      sync.Mutex
	number     int
	onProgress func()
}

// Expect starts an operation and returns its progress token.
func (p *Progress) Expect(onProgress func()) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.number++
	p.onProgress = onProgress
	return p.token()
}

// Told receives the token of a notification.
func (p *Progress) Told(token any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.onProgress != nil && token == p.token() {
		p.onProgress()
	}
}

func (p *Progress) token() string { return fmt.Sprintf("operation %d", p.number) }

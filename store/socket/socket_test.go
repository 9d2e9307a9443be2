package socket_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"chaperone/store/socket"
)

// pair gives both ends of a connection, of which the second is direct.
func pair(t *testing.T) (other *net.TCPConn, direct net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	direct, err = socket.Listener(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = direct.Close(), dialed.Close() })
	return dialed.(*net.TCPConn), direct
}

// TestBytesArrive sends pieces of all sizes there and back, through buffers of
// other sizes.
func TestBytesArrive(t *testing.T) {
	other, c := pair(t)
	go func() {
		defer other.CloseWrite()
		_, _ = io.CopyBuffer(struct{ io.Writer }{other}, struct{ io.Reader }{other}, make([]byte, 3000))
	}()
	rnd := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 4<<20)
	for i := range sent {
		sent[i] = byte(rnd.Uint32())
	}
	wrote := make(chan error, 1)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(1<<(1+rnd.IntN(18))))
			if got, err := c.Write(rest[:n]); err != nil || got != n {
				wrote <- errors.Join(err, io.ErrShortWrite)
				return
			}
			rest = rest[n:]
		}
		wrote <- c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	var got []byte
	buf := make([]byte, 1<<18)
	sizes := rand.New(rand.NewPCG(3, 4))
	for {
		n, err := c.Read(buf[:1+sizes.IntN(1<<(1+sizes.IntN(18)))])
		got = append(got, buf[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, and not those", len(got))
	}
}

// TestWriteCounts: a write that was cut short says how much of it was taken.
func TestWriteCounts(t *testing.T) {
	other, c := pair(t)
	if err := c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	piece, took := make([]byte, 60_000), 0
	for {
		n, err := c.Write(piece)
		took += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, other); err != nil || n != int64(took) {
		t.Errorf("%d bytes were taken, and %d arrived: %v", took, n, err)
	}
}

// TestErrors: errors are those of package net.
func TestErrors(t *testing.T) {
	for name, f := range map[string]struct {
		do   func(c net.Conn, other *net.TCPConn)
		want error
	}{
		"other end closed":    {func(_ net.Conn, other *net.TCPConn) { _ = other.Close() }, io.EOF},
		"other end resets":    {func(_ net.Conn, other *net.TCPConn) { _, _ = other.SetLinger(0), other.Close() }, syscall.ECONNRESET},
		"closed meanwhile":    {func(c net.Conn, _ *net.TCPConn) { _ = c.Close() }, net.ErrClosed},
		"deadline meanwhile":  {func(c net.Conn, _ *net.TCPConn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"all of it meanwhile": {func(c net.Conn, _ *net.TCPConn) { _ = c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			other, c := pair(t)
			go f.do(c, other)
			n, err := c.Read(make([]byte, 10))
			if n != 0 || !errors.Is(err, f.want) {
				t.Errorf("%d, %v", n, err)
			}
			var net net.Error
			if f.want == os.ErrDeadlineExceeded && (!errors.As(err, &net) || !net.Timeout()) {
				t.Errorf("%v is not one of time", err)
			}
		})
	}
	other, c := pair(t)
	_, _ = other.SetLinger(0), other.Close()
	for {
		_, err := c.Write([]byte("to nobody"))
		if err == nil {
			continue // the reset is on its way
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "write" || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
		break
	}
	_ = c.Close()
	if _, err := c.Write([]byte("to nobody")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if n, err := c.Read(nil); n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestOnlyTCP: what is no TCP connection stays what it is.
func TestOnlyTCP(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if socket.Direct(a) != a {
		t.Error("a pipe is wrapped")
	}
}

func TestNoAllocation(t *testing.T) {
	other, c := pair(t)
	there, back := []byte("there"), make([]byte, 100)
	theirs := make([]byte, 100)
	echo := func() {
		n, _ := other.Read(theirs)
		_, _ = other.Write(theirs[:n])
	}
	got := testing.AllocsPerRun(100, func() {
		if _, err := c.Write(there); err != nil {
			t.Fatal(err)
		}
		echo()
		if n, err := c.Read(back); err != nil || n != len(there) {
			t.Fatal(n, err)
		}
	})
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/vault/keys"
)

// ControlOptions of the control socket. The last three may be nil.
type ControlOptions struct {
	DataDir string // an existing folder
	Log     LogReader
	Outbox  Outbox
	Legs    LegDesk   // nil: single legs are not served
	Doubts  DoubtDesk // nil: sales in doubt are listed, and cannot be resolved
	Status  func(ctx context.Context) control.Status
	Record  Recorder // of who reads the log or the outbox
	Logger  *slog.Logger
	Ring    *keys.Ring // nil: the keyring is not served
	Tokens  *TokenDesk // nil: tokens are not served
	Desk    *LogDesk   // nil: the log is neither archived nor searched
	// Reload reads the policy again; nil: it cannot be.
	Reload func(ctx context.Context, by string) (control.Reloaded, error)
}

// Control is the control socket of a running proxy.
type Control struct {
	options  ControlOptions
	listener *net.UnixListener
	lock     *os.File
	path     string
	server   *http.Server
	stop     context.CancelFunc // ends the streams
}

// ErrInUse is wrapped where another process already runs on the data folder.
var ErrInUse = errors.New("another chaperone runs on this data folder")

// ListenControl opens DATA/chaperone.sock with mode 0600. A socket that a dead
// process left is replaced; with a living one the error wraps ErrInUse. Serve
// answers on it.
func ListenControl(o ControlOptions) (*Control, error) {
	path := control.SocketPath(o.DataDir)
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("admin: %s: %w", path, err)
	}
	l, err := listenUnix(path)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("admin: control socket: %w", err)
	}
	streams, stop := context.WithCancel(context.Background())
	c := &Control{options: o, listener: l, lock: lock, path: path, stop: stop}
	c.server = &http.Server{
		Handler:           c.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return streams },
		ConnContext:       withPeer,
	}
	return c, nil
}

// Serve answers until ctx ends, then ends the streams, removes the socket and
// gives the data folder free. It returns nil after the end of ctx.
func (c *Control) Serve(ctx context.Context) error {
	defer c.Close()
	stop := context.AfterFunc(ctx, c.stop)
	defer stop()
	if err := serve(ctx, c.server, c.listener); err != nil {
		return fmt.Errorf("admin: control socket: %w", err)
	}
	return nil
}

// Close removes the socket. Serve does so by itself.
func (c *Control) Close() error {
	c.stop()
	err := c.listener.Close()
	if c.lock != nil {
		// The lock is held, so what stands at the path is ours.
		_ = os.Remove(c.path)
		_ = c.lock.Close()
		c.lock = nil
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// lockFile takes the lock that says who runs on a data folder. The kernel
// gives it free when the process dies, however it does.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// maxSocketPath is what fits into a socket's address on every system.
const maxSocketPath = 103

// listenUnix listens at path with mode 0600 from the first moment: the socket
// is made under another name, and takes its place when its mode is right.
// Whatever socket is there is replaced, so the caller holds the lock.
func listenUnix(path string) (*net.UnixListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s: the path has %d bytes, and a socket's may have %d: use a shorter data folder", path, len(path), maxSocketPath)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("%s is there, and is not a socket", path)
	}
	made := filepath.Join(filepath.Dir(path), ".chaperone.new")
	if err := os.Remove(made); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(made, 0o600)
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = l.Close()
		_ = os.Remove(made)
		return nil, err
	}
	return l, nil
}

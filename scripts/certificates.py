#!/usr/bin/env python3
"""Renews a certificate again and again while real clients connect, and counts handshakes that fail.

    scripts/certificates.py [--swaps 1000] [--binary target/release/evenkeel]

Swaps are by rename, by symbolic links as Kubernetes and certbot make them, and in two steps (the certificate, then its key); some begin with a mistake.
Clients are Python's OpenSSL, which verifies each certificate, and at the end `openssl s_client`, which resumes at a second instance with the tickets of
the first. Needs openssl. Printed: handshakes, those that failed, and how long it took until the new certificate was in force.
"""
import argparse
import http.server
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.made = 0
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=test",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")

    def sign(self):
        """A new certificate for a.example with its key."""
        self.made += 1
        at = self.folder / f"made{self.made}"
        at.mkdir()
        (at / "ext").write_text("subjectAltName=DNS:a.example\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN=a{self.made}", "-keyout", at / "key",
            "-out", at / "csr")
        run("openssl", "x509", "-req", "-in", at / "csr", "-CA", self.folder / "ca.pem", "-CAkey", self.folder / "ca.key", "-days", "20",
            "-set_serial", str(1000 + self.made), "-extfile", at / "ext", "-out", at / "cert")
        return at / "cert", at / "key"


class Pair:
    """tls.crt and tls.key behind links, as in a secret of Kubernetes."""

    def __init__(self, folder, files):
        self.folder, self.version = folder, 0
        folder.mkdir()
        self.link(files)
        for name in ("tls.crt", "tls.key"):
            os.symlink(f"..data/{name}", folder / name)

    def link(self, files):
        self.version += 1
        new = self.folder / f"..{self.version}"
        new.mkdir()
        for source, name in zip(files, ("tls.crt", "tls.key")):
            shutil.copy(source, new / name)
        os.symlink(new.name, self.folder / "..tmp")
        os.rename(self.folder / "..tmp", self.folder / "..data")
        if self.version > 1:
            shutil.rmtree(self.folder / f"..{self.version - 1}")

    def rename(self, source, name):
        draft = self.folder / f"{name}.draft"
        shutil.copy(source, draft)
        os.rename(draft, self.folder / "..data" / name)

    def spoil(self, name):
        (self.folder / "..data" / name).write_text("-----BEGIN CERTIFICATE-----\nnonsense")


class Client(threading.Thread):
    def __init__(self, port, ca):
        super().__init__(daemon=True)
        self.port, self.over, self.done, self.failed = port, False, 0, []
        self.context = ssl.create_default_context(cafile=ca)

    def run(self):
        while not self.over:
            try:
                handshake(self.port, self.context)
                self.done += 1
            except OSError as error:
                self.failed.append(repr(error))


def handshake(port, context):
    """The serial number of the certificate that is shown, once it was verified."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as tcp, context.wrap_socket(tcp, server_hostname="a.example") as tls:
        return int(tls.getpeercert()["serialNumber"], 16)


def start(binary, folder, name, port, tickets):
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    admin = free_port()
    (folder / f"{name}.toml").write_text(
        f'[admin]\nbind = "127.0.0.1:{admin}"\n[server]\nworkers = 1\nstate_dir = "{folder}/{name}"\n'
        f'[[listener]]\nname = "web"\nbind = "127.0.0.1:{port}"\nservice = "s"\n[listener.tls]\nticket_keys = "{tickets}"\n'
        f'certificates = [{{ cert = "{folder}/pair/tls.crt", key = "{folder}/pair/tls.key", ocsp = "{folder}/ocsp" }}]\n'
        f'[service.s]\nbackend = [{{ address = "127.0.0.1:{backend.server_port}" }}]\n')
    log = open(folder / f"{name}.log", "w")
    process = subprocess.Popen([binary, "run", "-c", folder / f"{name}.toml"], stdout=log, stderr=log)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except OSError:
            time.sleep(0.02)
    sys.exit(f"it does not start: {(folder / f'{name}.log').read_text()}")


def swap(number, pair, new):
    cert, key = new
    way = number % 5
    if way == 0:
        pair.rename(cert, "tls.crt")
        pair.rename(key, "tls.key")
    elif way == 1:
        pair.link(new)
    elif way == 2:
        pair.rename(cert, "tls.crt")
        time.sleep(0.2)
        pair.rename(key, "tls.key")
    elif way == 3:
        pair.spoil("tls.crt")
        time.sleep(0.05)
        pair.rename(key, "tls.key")
        pair.rename(cert, "tls.crt")
    else:
        pair.rename(key, "tls.key")
        os.remove(pair.folder / "..data" / "tls.crt")
        time.sleep(0.05)
        shutil.copy(cert, pair.folder / "..data" / "tls.crt")


def stapled(folder, port, pair, authority, serial):
    """Whether a client gets the OCSP response that a file holds, and gets none once another certificate is in force."""
    (folder / "index").write_text(f"V\t491231235959Z\t\t{serial:X}\tunknown\t/CN=a\n")
    run("openssl", "ocsp", "-index", folder / "index", "-CA", folder / "ca.pem", "-rsigner", folder / "ca.pem", "-rkey", folder / "ca.key", "-ndays", "1",
        "-issuer", folder / "ca.pem", "-cert", pair.folder / "tls.crt", "-respout", folder / "draft")
    os.rename(folder / "draft", folder / "ocsp")

    def asked():
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.example", "-status"]
        return "OCSP Response Status: successful" in subprocess.run(command, input=b"", capture_output=True, timeout=20).stdout.decode(errors="replace")

    def becomes(wanted):
        deadline = time.monotonic() + 5
        while asked() != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return asked() == wanted

    first = becomes(True)
    pair.link(authority.sign())
    return first and becomes(False)


def resumed(folder, ports, version):
    """Whether `openssl s_client` resumes at the second port the session that it began at the first."""
    session = folder / f"session{version}"
    session.unlink(missing_ok=True)
    said = []
    for port, way in zip(ports, ("-sess_out", "-sess_in")):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.example", "-CAfile", str(folder / "ca.pem"), version, way,
                   str(session), "-ign_eof"]
        request = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
        said.append(subprocess.run(command, input=request, capture_output=True, timeout=20).stdout.decode(errors="replace"))
    return re.search(r"^(New|Reused), ", said[1], re.M).group(1) == "Reused"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--swaps", type=int, default=1000)
    options.add_argument("--binary", default="target/release/evenkeel")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        authority = Authority(folder)
        pair = Pair(folder / "pair", authority.sign())
        (folder / "tickets").write_text(subprocess.run("openssl rand 80 | openssl base64 -A", shell=True, capture_output=True, text=True).stdout + "\n")
        os.chmod(folder / "tickets", 0o600)
        ports = free_port(), free_port()
        processes = [start(options.binary, folder, name, port, folder / "tickets") for name, port in zip("ab", ports)]
        clients = [Client(ports[0], folder / "ca.pem") for _ in range(2)]
        try:
            for client in clients:
                client.start()
            probe, took = clients[0].context, []
            for number in range(options.swaps):
                new = authority.sign()
                swap(number, pair, new)
                began = time.monotonic()
                while handshake(ports[0], probe) != 1000 + authority.made:
                    if time.monotonic() - began > 30:
                        sys.exit(f"swap {number} is not in force after 30 s\n{(folder / 'a.log').read_text()}")
                took.append(time.monotonic() - began)
                shutil.rmtree(new[0].parent)
            for client in clients:
                client.over = True
            for client in clients:
                client.join()
            failed = [error for client in clients for error in client.failed]
            staple = stapled(folder, ports[0], pair, authority, 1000 + authority.made)
            tickets = {version: resumed(folder, ports, version) for version in ("-tls1_3", "-tls1_2")}
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
        took.sort()
        print(f"{options.swaps} swaps, {sum(client.done for client in clients)} handshakes, {len(failed)} failed {failed[:3]}")
        print(f"in force after: median {took[len(took) // 2]:.3f} s, most {took[-1]:.3f} s")
        print(f"OCSP response stapled, and not to another certificate: {'yes' if staple else 'NO'}")
        print("resumed at the second instance: " + ", ".join(f"{version[1:]} {'yes' if yes else 'NO'}" for version, yes in tickets.items()))
        sys.exit(1 if failed or not staple or took[-1] > 2 or not all(tickets.values()) else 0)


if __name__ == "__main__":
    main()

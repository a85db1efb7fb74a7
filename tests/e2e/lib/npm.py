"""npm: installs what a package.json names, in bounded time. A machine without a registry is no failure of ours: tests skip, and say why."""
import os
import signal
import subprocess

SECONDS = 60


def install(folder):
    """None, or the words of why not. npm itself waits for minutes where packets to a registry vanish, and its children outlive it."""
    command = ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--silent', '--fetch-retries=1', '--fetch-timeout=20000']
    npm = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                           start_new_session=True)
    try:
        _, words = npm.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(npm.pid, signal.SIGKILL)
        npm.communicate()
        return f'npm install did not end within {SECONDS} s; is a registry configured here (npm config get registry)?'
    return None if npm.returncode == 0 else f'npm install failed: {words.strip()[-300:] or "without a word; is a registry configured here?"}'

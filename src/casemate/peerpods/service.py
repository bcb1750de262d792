"""The remote-hypervisor and pod-VM-info services as ttrpc methods (runtime.md §4, §7.1)."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from casemate.errors import InputError
from casemate.net.ttrpc import Services
from casemate.peerpods.adaptor import Adaptor
from casemate.wire import hypervisor
from casemate.wire.pb import hypervisor_pb2, podvminfo_pb2

_M = TypeVar("_M", bound=Message)


def services(adaptor: Adaptor) -> Services:
    """Bind the adaptor's rules to their methods."""
    service = _Methods(adaptor)
    return {
        hypervisor.SERVICE: {
            "CreateVM": service.create_vm,
            "StartVM": service.start_vm,
            "StopVM": service.stop_vm,
            "Version": service.version,
        },
        hypervisor.INFO_SERVICE: {"GetInfo": service.get_info},
    }


class _Methods:
    def __init__(self, adaptor: Adaptor) -> None:
        self._adaptor = adaptor

    async def create_vm(self, payload: bytes) -> bytes:
        request = _parse(hypervisor_pb2.CreateVMRequest(), payload)
        wishes = hypervisor.parse(request.annotations)
        path = await self._adaptor.create(request.id, wishes)
        return hypervisor_pb2.CreateVMResponse(agentSocketPath=str(path)).SerializeToString()

    async def start_vm(self, payload: bytes) -> bytes:
        request = _parse(hypervisor_pb2.StartVMRequest(), payload)
        await self._adaptor.start(request.id)
        return b""

    async def stop_vm(self, payload: bytes) -> bytes:
        request = _parse(hypervisor_pb2.StopVMRequest(), payload)
        await self._adaptor.stop(request.id)
        return b""

    async def version(self, payload: bytes) -> bytes:
        _parse(hypervisor_pb2.VersionRequest(), payload)
        return hypervisor_pb2.VersionResponse(version=hypervisor.VERSION).SerializeToString()

    async def get_info(self, payload: bytes) -> bytes:
        request = _parse(podvminfo_pb2.GetInfoRequest(), payload)
        found = await self._adaptor.instance_of(
            request.PodName, request.PodNamespace, wait=request.Wait
        )
        return podvminfo_pb2.GetInfoResponse(VMID=found).SerializeToString()


def _parse(message: _M, payload: bytes) -> _M:
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        name = message.DESCRIPTOR.name
        raise InputError(name, got=f"{len(payload)} bytes", want="the message") from error
    return message

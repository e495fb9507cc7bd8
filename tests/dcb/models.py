"""The worked examples of the Dynamic Consistency Boundary specification, written as storied models.

Source of the examples: https://dcb.events/examples/. Each app is one example, or one step of it that changes a rule.
"""

from datetime import datetime, timedelta
from typing import Annotated

from storied import App, Command, Context, Entity, Event, Id, Recorded, Rejected, Tag, on

courses = App("course-subscriptions")
usernames = App("unique-username")
retained_usernames = App("unique-username-with-retention")
invoices = App("invoice-number")
sign_ups = App("opt-in-token")
submissions = App("prevent-record-duplication")


class CourseDefined(Event):
    course: Id
    capacity: int


class CourseCapacityChanged(Event):
    course: Id
    new_capacity: int


class StudentSubscribedToCourse(Event):
    student: Id
    course: Id


class Course(Entity):
    capacity: int | None = None
    students: set[str] = set()

    @on
    def defined(self, event: CourseDefined) -> None:
        self.capacity = event.capacity

    @on
    def resized(self, event: CourseCapacityChanged) -> None:
        self.capacity = event.new_capacity

    @on
    def subscribed(self, event: StudentSubscribedToCourse) -> None:
        self.students.add(event.student)


class Student(Entity):
    courses: int = 0

    @on
    def subscribed(self, event: StudentSubscribedToCourse) -> None:
        self.courses += 1


class DefineCourse(Command):
    course: Id
    capacity: int


class ChangeCourseCapacity(Command):
    course: Id
    new_capacity: int


class SubscribeStudentToCourse(Command):
    student: Id
    course: Id


@courses.command()
def define_course(command: DefineCourse, course: Course) -> CourseDefined:
    if course.capacity is not None:
        raise Rejected("course-exists", f'Course with id "{command.course}" already exists')
    return CourseDefined(course=command.course, capacity=command.capacity)


@courses.command()
def change_capacity(command: ChangeCourseCapacity, course: Course) -> CourseCapacityChanged:
    if course.capacity is None:
        raise Rejected("no-such-course", f'Course "{command.course}" does not exist')
    if course.capacity == command.new_capacity:
        raise Rejected("same-capacity", f"New capacity {command.new_capacity} is the same as the current capacity")
    return CourseCapacityChanged(course=command.course, new_capacity=command.new_capacity)


@courses.command()
def subscribe(command: SubscribeStudentToCourse, course: Course, student: Student) -> StudentSubscribedToCourse:
    if course.capacity is None:
        raise Rejected("no-such-course", f'Course "{command.course}" does not exist')
    if len(course.students) >= course.capacity:
        raise Rejected("fully-booked", f'Course "{command.course}" is already fully booked')
    if command.student in course.students:
        raise Rejected("already-subscribed", "Student already subscribed to this course")
    if student.courses >= 5:
        raise Rejected("too-many-courses", "Student already subscribed to 5 courses")
    return StudentSubscribedToCourse(student=command.student, course=command.course)


class AccountRegistered(Event):
    username: Id


class AccountClosed(Event):
    username: Id


class UsernameChanged(Event):
    old_username: Annotated[str, Tag("username")]
    new_username: Annotated[str, Tag("username")]


class Username(Entity):
    claimed: bool = False
    released_at: datetime | None = None

    @on
    def registered(self, event: AccountRegistered) -> None:
        self.claimed = True

    @on
    def closed(self, event: AccountClosed, record: Recorded) -> None:
        self._release(record)

    @on
    def changed(self, event: UsernameChanged, record: Recorded) -> None:
        if event.new_username == self.id:
            self.claimed = True
        else:
            self._release(record)

    def _release(self, record: Recorded) -> None:
        self.claimed, self.released_at = False, record.recorded_at


class RegisterAccount(Command):
    username: Id


@usernames.command()
def register(command: RegisterAccount, username: Username) -> AccountRegistered:
    if username.claimed:
        raise Rejected("username-claimed", f'Username "{command.username}" is claimed')
    return AccountRegistered(username=command.username)


@retained_usernames.command()
def register_retained(command: RegisterAccount, username: Username, context: Context) -> AccountRegistered:
    retained = username.released_at is not None and context.now - username.released_at <= timedelta(days=3)
    if username.claimed or retained:
        raise Rejected("username-claimed", f'Username "{command.username}" is claimed')
    return AccountRegistered(username=command.username)


class InvoiceCreated(Event):
    invoice: Annotated[int, Tag()]
    data: dict[str, str]


class InvoiceNumbers(Entity, tag=None):
    last: int = 0

    @on
    def created(self, event: InvoiceCreated) -> None:
        self.last = event.invoice


class CreateInvoice(Command):
    data: dict[str, str]


@invoices.command()
def create_invoice(command: CreateInvoice, numbers: InvoiceNumbers) -> InvoiceCreated:
    return InvoiceCreated(invoice=numbers.last + 1, data=command.data)


class SignUpInitiated(Event):
    email: Id
    otp: Id
    name: str


class SignUpConfirmed(Event):
    email: Id
    otp: Id
    name: str


class SignUp(Entity, tag="otp"):
    email: str = ""
    name: str = ""
    initiated_at: datetime | None = None
    used: bool = False

    @on
    def initiated(self, event: SignUpInitiated, record: Recorded) -> None:
        self.email, self.name, self.initiated_at = event.email, event.name, record.recorded_at

    @on
    def confirmed(self, event: SignUpConfirmed) -> None:
        self.used = True


class ConfirmSignUp(Command):
    email: Id
    otp: Id


@sign_ups.command()
def confirm(command: ConfirmSignUp, otp: SignUp, context: Context) -> SignUpConfirmed:
    if otp.initiated_at is None or otp.email != command.email:
        raise Rejected("no-pending-sign-up", "No pending sign-up for this OTP / email address")
    if otp.used:
        raise Rejected("otp-used", "OTP was already used")
    if context.now - otp.initiated_at > timedelta(minutes=60):
        raise Rejected("otp-expired", "OTP expired")
    return SignUpConfirmed(email=command.email, otp=command.otp, name=otp.name)


class OrderPlaced(Event):
    order: Id
    idempotency: Id


class Submission(Entity, tag="idempotency"):
    used: bool = False

    @on
    def placed(self, event: OrderPlaced) -> None:
        self.used = True


class PlaceOrder(Command):
    order: Id
    idempotency: Id


@submissions.command()
def place_order(command: PlaceOrder, idempotency: Submission) -> OrderPlaced:
    if idempotency.used:
        raise Rejected("re-submission", "Re-submission")
    return OrderPlaced(order=command.order, idempotency=command.idempotency)
